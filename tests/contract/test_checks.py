import pytest

from fair_models.contract import checks
from fair_models.errors import NotFound


def spec_entry(template, key):
    return next(each for each in template["properties"]["fair:hyperparameters_spec"] if each["key"] == key)


def test_nothing_is_wrong_with_a_complete_contribution_outside_the_repository(contribution):
    assert checks.problems(contribution.path) == []


def test_everything_that_is_wrong_is_listed_at_once(contribution):
    (contribution.path / "Dockerfile").unlink()
    contribution.write("README.md", "# A card without content\n")
    (contribution.path / "tests" / "test_processing.py").unlink()
    contribution.write("pipeline.py", "import mlflow\n\ndef build(width): ...\n")
    contribution.write("layers.py", "from roof_dots import processing\n")
    contribution.write(
        "processing.py", "import torch\n\ndef preprocess(window): ...\n\ndef postprocess(a): ...\n"
    )
    template = contribution.item()
    del template["properties"]["license"]
    template["assets"]["checkpoint"]["file:checksum"] = "1220" + 64 * "a"
    contribution.write_item(template)

    text = "\n".join(checks.problems(contribution.path))

    for expected in (
        "Dockerfile is missing",
        "README.md says nothing of use, data, limit, licen, metric",
        "tests/ has no test_*.py",
        "pipeline.py, line 1, imports mlflow",
        "layers.py, line 1, imports roof_dots by its full name",
        "the weights weights/initial.safetensors have the digest",
        "license",
        "postprocess(a) cannot be called as postprocess(outputs, window, params)",
        "build(width) cannot be called as build(params)",
        "train is missing",
        "Params is missing",
    ):
        assert expected in text, text


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"default": 5}, "training.epochs: has the default 5 in the item, 80 in Params"),
        ({"type": "str"}, "training.epochs: is str in the item, int in Params"),
        ({"max": 5000}, "training.epochs: the item allows 5000, Params does not"),
        ({"min": 0}, "training.epochs: the item allows 0, Params does not"),
        ({"max": None}, "training.epochs: Params has the bound 1000, the item no max"),
        ({"key": "training.epoch"}, "training.epoch is in the item but not in Params"),
    ],
)
def test_hyperparameters_of_the_item_that_the_code_has_otherwise_are_told(contribution, change, reason):
    template = contribution.item()
    entry = spec_entry(template, "training.epochs")
    entry |= change
    entry = {name: value for name, value in entry.items() if value is not None}
    specification = template["properties"]["fair:hyperparameters_spec"]
    specification[:] = [
        entry if each["key"] in {"training.epochs", entry["key"]} else each for each in specification
    ]
    contribution.write_item(template)

    assert reason in "\n".join(checks.problems(contribution.path))


def test_choices_that_the_item_does_not_say_are_told(contribution):
    template = contribution.item()
    del spec_entry(template, "training.precision")["values"]
    contribution.write_item(template)

    assert any(
        "Params has the choices auto, float32, bfloat16" in reason
        for reason in checks.problems(contribution.path)
    )


def test_processing_that_loads_torch_is_told_even_where_torch_is_loaded_already(contribution):
    text = (contribution.path / "processing.py").read_text()
    contribution.write("processing.py", text + "\nfrom .layers import convolution\n")

    assert any(
        "importing the processing loads torch" in reason for reason in checks.problems(contribution.path)
    )


def test_weights_of_another_network_are_told(contribution):
    contribution.write(
        "layers.py",
        "from torch import nn\n\ndef convolution(size):\n    return nn.Conv2d(3, 2, kernel_size=5)\n",
    )

    assert any(
        "weight has the shape (2, 3, 3, 3), the network takes (2, 3, 5, 5)" in reason
        for reason in checks.problems(contribution.path)
    )


def test_an_onnx_that_says_something_else_than_the_network_is_told(contribution):
    contribution.write(
        "pipeline.py",
        (contribution.path / "pipeline.py").read_text()
        + """

def export(network, path, params):
    import copy
    other = copy.deepcopy(network)
    other.bias.data += 1
    training.export(other, path, params)
""",
    )

    assert any("between ONNX and torch" in reason for reason in checks.problems(contribution.path))


def test_a_build_that_fails_is_told_as_the_contributions_fault(contribution):
    contribution.write("layers.py", "def convolution(size):\n    return size / 0\n")

    assert any("build failed: ZeroDivisionError" in reason for reason in checks.problems(contribution.path))


def test_a_wrong_number_of_parameters_is_told(contribution):
    template = contribution.item()
    template["properties"]["mlm:total_parameters"] = 7
    contribution.write_item(template)

    assert any(
        "mlm:total_parameters is 7, the network has 56" in reason
        for reason in checks.problems(contribution.path)
    )


def test_modules_of_another_folder_are_told(contribution):
    template = contribution.item()
    template["assets"]["source-code"]["mlm:entrypoint"] = "models.roofs.pipeline"
    contribution.write_item(template)

    text = "\n".join(checks.problems(contribution.path))

    assert "mlm:entrypoint names models.roofs.pipeline, the modules of this folder are roof_dots" in text


def test_a_folder_that_does_not_exist_is_an_error_of_its_own(tmp_path):
    with pytest.raises(NotFound):
        checks.problems(tmp_path / "nothing")


@pytest.mark.parametrize("licence", ["none", "TODO", "proprietary"])
def test_a_licence_that_nobody_knows_is_told(contribution, licence):
    template = contribution.item()
    template["properties"]["license"] = licence
    contribution.write_item(template)

    assert f"properties.license: is '{licence}', which is no SPDX identifier" in "\n".join(
        checks.problems(contribution.path)
    )


def test_a_key_that_the_item_gives_twice_is_told(contribution):
    text = (contribution.path / "stac-item.json").read_text(encoding="utf-8")
    contribution.write("stac-item.json", '{"type": "Item", ' + text.lstrip()[1:])

    assert "stac-item.json: it gives the key 'type' twice in one object; keep one of them" in checks.problems(
        contribution.path
    )


def unseen(problems):
    return [each for each in problems if each.startswith("not checked, because")]


def test_what_depends_on_a_broken_part_is_named_as_not_checked(contribution):
    assert unseen(checks.problems(contribution.path)) == []
    contribution.write("pipeline.py", "def build(params): ...\n")
    (told,) = unseen(checks.problems(contribution.path))
    assert told.startswith("not checked, because the pipeline cannot be used")
    for part in ("hyperparameters", "the network", "the export", "ONNX against torch"):
        assert part in told


def test_a_network_without_weights_is_built_all_the_same(contribution):
    contribution.write("layers.py", "def convolution(size):\n    raise ValueError('no room')\n")
    (contribution.path / "weights" / "initial.safetensors").unlink()
    problems = checks.problems(contribution.path)
    assert any("build failed: ValueError: no room" in each for each in problems)
    assert unseen(problems)[0].startswith("not checked, because there are no weights: its weights")


def test_an_item_that_cannot_be_read_leaves_everything_else_unchecked(contribution):
    (contribution.path / "Dockerfile").unlink()
    contribution.write("stac-item.json", "{")
    problems = checks.problems(contribution.path)
    assert any("Dockerfile is missing" in each for each in problems)
    assert "stac-item.json cannot be read: what the item says, the code" in unseen(problems)[0]


def test_an_export_that_fails_leaves_only_the_comparison_unchecked(contribution):
    text = (contribution.path / "pipeline.py").read_text()
    fails = "def export(network, path, params):\n    raise RuntimeError('no such operator')\n"
    contribution.write(
        "pipeline.py", text.replace("train, evaluate, export =", "train, evaluate, _ =") + fails
    )
    problems = checks.problems(contribution.path)
    assert any("export failed: RuntimeError: no such operator" in each for each in problems)
    assert unseen(problems) == ["not checked, because something is wrong with the export: ONNX against torch"]


def test_a_folder_outside_of_the_package_that_its_item_names_has_one_reason_and_the_cure(contribution):
    text = (contribution.path / "stac-item.json").read_text()
    own = contribution.path.name
    (contribution.path / "stac-item.json").write_text(text.replace(f'"{own}.', f'"models.{own}.'))

    told, unseen = checks.problems(contribution.path)

    assert unseen.startswith("not checked")
    assert told.startswith(f"stac-item.json names modules of models.{own}, and the folder")
    assert f"is the package {own}: put it into a folder called models, or name {own}.… in stac-item" in told


def test_imports_beside_the_face_for_contributions_are_told(contribution):
    contribution.write(
        "layers.py",
        "import fair_models.store\nfrom fair_models import sdk, types\n"
        "from fair_models.sdk.networks import Padded\n"
        "from fair_models.inference.parts import RasterPart\n",
    )
    contribution.write("weights.py", "from fair_models.store import digests\n")

    found = [
        reason for reason in checks.problems(contribution.path) if "take it from fair_models.sdk" in reason
    ]

    assert [reason.partition(", which")[0] for reason in found] == [
        "layers.py, line 1, imports fair_models.store",
        "layers.py, line 2, imports fair_models.types",
        "layers.py, line 4, imports fair_models.inference.parts",
    ]
