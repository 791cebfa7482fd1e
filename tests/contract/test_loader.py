import numpy as np
import pytest

from fair_models import settings
from fair_models.contract.code import loader
from fair_models.errors import Corrupted, InvalidContribution, NotFound
from fair_models.inference.parts import Window

PRE, POST = "roof_dots.processing:preprocess", "roof_dots.processing:postprocess"
PIXELS = np.full((3, 2, 2), 255, dtype=np.uint8)


def load(code):
    return loader.load_processing(*code, PRE, POST)


def test_the_first_version_predicts_as_before_after_the_second_changed_preprocess(contribution):
    first = contribution.pack("v1.zip")
    before = load(first).preprocess(PIXELS)
    text = (contribution.path / "processing.py").read_text()
    contribution.write("processing.py", text.replace("/ 255", "/ 510"))
    second = contribution.pack("v2.zip")

    assert np.array_equal(load(second).preprocess(PIXELS), before / 2)
    assert np.array_equal(load(first).preprocess(PIXELS), before)
    assert np.array_equal(before, np.ones((3, 2, 2)))


def test_two_versions_live_in_one_process_with_the_modules_they_import(contribution):
    first = contribution.pack("v1.zip")
    contribution.write(
        "layers.py", "from torch import nn\n\ndef convolution(size):\n    return nn.Identity()\n"
    )
    second = contribution.pack("v2.zip")
    old, new = (loader.load_pipeline(*code, "roof_dots.pipeline") for code in (first, second))

    assert type(new.build(new.Params())).__name__ == "Identity"
    assert type(old.build(old.Params())).__name__ == "Conv2d"


def test_code_with_another_digest_is_never_executed(contribution, tmp_path):
    _, registered = contribution.pack("registered.zip")
    trace = tmp_path / "trace"
    contribution.write("__init__.py", f"open({str(trace)!r}, 'w')")
    changed, _ = contribution.pack("changed.zip")

    with pytest.raises(Corrupted, match=r"changed\.zip"):
        loader.load_processing(changed, registered, PRE, POST)
    assert not trace.exists()


def test_code_that_was_changed_in_the_cache_is_not_executed(contribution, tmp_path):
    archive, checksum = contribution.pack()
    folder = settings.current().cache_folder / "code" / checksum[4:]
    load((archive, checksum))
    trace = tmp_path / "trace"
    (folder / "layers.py").write_text(f"open({str(trace)!r}, 'w')")
    (folder / "further.py").write_text("")

    loader.load_module(archive, checksum, "roof_dots.layers")

    assert not trace.exists()
    assert not (folder / "further.py").exists()


def test_an_archive_that_is_gone_is_named(contribution):
    archive, checksum = contribution.pack()
    archive.unlink()
    with pytest.raises(NotFound, match=r"code\.zip"):
        load((archive, checksum))


def test_processing_is_loaded_without_torch(contribution, run_python):
    archive, checksum = contribution.pack()
    loaded = run_python(
        """
        import sys
        from pathlib import Path
        from fair_models.contract.code.loader import load_processing
        load_processing(Path(sys.argv[1]), *sys.argv[2:])
        heavy = ("torch", "zenml", "mlflow", "onnxruntime", "prefect")
        print([name for name in heavy if name in sys.modules])
        """,
        archive,
        checksum,
        PRE,
        POST,
    )
    assert loaded == "[]"


def test_the_loaded_functions_do_what_the_contribution_says(contribution):
    processing = load(contribution.pack())

    (part,) = processing.postprocess(
        {"logits": np.zeros((2, 4, 4), np.float32)}, Window(0, 0, 4, 4, "here"), {}
    )

    assert np.array_equal(part.probabilities, np.full((2, 4, 4), 0.5))


def test_all_signatures_that_are_wrong_are_told_at_once(contribution):
    contribution.write("processing.py", "def preprocess(a, b): ...\n\npostprocess = 3\n")
    with pytest.raises(InvalidContribution) as error:
        load(contribution.pack())

    assert "preprocess(a, b) cannot be called as preprocess(window)" in str(error.value)
    assert "postprocess is int, should be the function postprocess(outputs, window, params)" in str(
        error.value
    )


def test_a_pipeline_that_lacks_functions_is_told_which(contribution):
    contribution.write("pipeline.py", "class Params: ...\n\ndef train(network, samples): ...\n")
    with pytest.raises(InvalidContribution) as error:
        loader.load_pipeline(*contribution.pack(), "roof_dots.pipeline")

    text = str(error.value)
    assert "Params is" in text
    assert "build is missing: add the function build(params)" in text
    assert (
        "train(network, samples) cannot be called as "
        "train(network, samples, processing, params, seed, report)" in text
    )
    assert "evaluate is missing" in text
    assert "export is missing" in text


def test_a_calibrate_need_not_be_there_but_must_be_one_that_can_be_called(contribution):
    text = (contribution.path / "pipeline.py").read_text()
    loader.load_pipeline(*contribution.pack("without.zip"), "roof_dots.pipeline")
    contribution.write("pipeline.py", f"{text}\n\ndef calibrate(network, samples): ...\n")

    with pytest.raises(InvalidContribution, match=r"calibrate\(network, samples\) cannot be called as"):
        loader.load_pipeline(*contribution.pack("wrong.zip"), "roof_dots.pipeline")


def test_further_parameters_with_defaults_are_allowed(contribution):
    text = (contribution.path / "processing.py").read_text()
    contribution.write("processing.py", text.replace("preprocess(window)", "preprocess(window, factor=1)"))

    assert load(contribution.pack()).preprocess(PIXELS).max() == 1


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_package", "imports no_such_package, which is not in this environment"),
        ("from .absent import x", "has no module absent"),
        ("def preprocess(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("from .. import other", "ImportError"),
    ],
)
def test_code_that_cannot_be_imported_is_told_why(contribution, source, reason):
    contribution.write("processing.py", source)
    with pytest.raises(InvalidContribution, match=reason):
        load(contribution.pack())


def test_code_that_failed_once_fails_again_and_is_not_taken_for_imported(contribution):
    contribution.write("processing.py", "from . import layers\n1 / 0\n")
    code = contribution.pack()
    for _ in range(2):
        with pytest.raises(InvalidContribution, match="ZeroDivisionError"):
            load(code)


def test_a_module_of_another_package_is_refused(contribution):
    with pytest.raises(InvalidContribution, match="its archive holds the package roof_dots"):
        loader.load_module(*contribution.pack(), "os.path")


def test_a_pipeline_of_the_contributions_own_is_loaded_as_what_it_names(contribution):
    contribution.write("own.py", "training_pipeline = 'a ZenML pipeline'\n")
    code = contribution.pack()

    assert loader.load_attribute(*code, "roof_dots.own:training_pipeline") == "a ZenML pipeline"
    with pytest.raises(InvalidContribution, match="it has no absent"):
        loader.load_attribute(*code, "roof_dots.own:absent")
    with pytest.raises(InvalidContribution, match="pipeline of its own"):
        loader.load_pipeline(*code, "roof_dots.own:training_pipeline")
