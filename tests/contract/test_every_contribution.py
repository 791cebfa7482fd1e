"""The contract, held up to every folder in models/."""

import re
from pathlib import Path

import numpy as np
import pytest

from fair_models.contract import blueprint, checks, contribution, initial
from tests.contract import narrow

PROJECT = Path(__file__).resolve().parents[2]
FOLDERS = sorted(path.parent for path in (PROJECT / "models").glob("*/stac-item.json"))
LIGHT = "[name for name in ('torch', 'zenml', 'mlflow', 'onnxruntime', 'prefect') if name in sys.modules]"

pytestmark = pytest.mark.proof

every_contribution = pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)


@pytest.fixture(scope="module", autouse=True)
def exported_once():
    """Each network is exported once: the checks, which export it too, get what was made of it."""
    known, make = {}, blueprint.make

    def make_once(read, folder, reached=lambda stage: None):
        if read.name not in known:
            stages = []
            known[read.name] = make(read, folder, stages.append), stages
        made, stages = known[read.name]
        for stage in stages:
            reached(stage)
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blueprint, "make", make_once)
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Contributions and their blueprints by folder, each made once; weights on the web are left alone."""
    known = {}

    def make(folder):
        if folder not in known:
            work = tmp_path_factory.mktemp(folder.name)
            read = initial.settle(contribution.read(tried(folder, work)), work / "initial", random_start=True)
            known[folder] = (read, blueprint.make(read, work / "blueprint"))
        return known[folder]

    return make


def tried(folder, work):
    """The folder, or a narrow copy of one with a network too large to ship its weights."""
    return narrow.copy(folder, work) if contribution.read(folder).published else folder


def test_there_is_a_contribution():
    assert FOLDERS


@every_contribution
def test_nothing_is_wrong_with_a_contribution(folder, made, tmp_path):
    made(folder)  # exports it into a folder that stays
    assert checks.problems(tried(folder, tmp_path), random_start=True) == []


@every_contribution
def test_a_model_card_has_nothing_left_to_be_filled_in(folder):
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"@@\w*|TODO|FIXME|\b[A-Z]+_TABLE\b", card) == []


@every_contribution
def test_onnx_and_torch_agree(folder, made):
    _, files = made(folder)
    assert files.difference is None or files.difference < 1e-4


@every_contribution
def test_importing_the_processing_loads_nothing_heavy(folder, run_python):
    assert run_python(f"import sys, models.{folder.name}.processing\nprint({LIGHT})") == "[]"


@every_contribution
def test_onnx_processing_and_item_predict_without_the_training_parts(folder, made, run_python, tmp_path):
    """The same outputs as torch gives, in a process where torch and its like cannot be imported."""
    read, files = made(folder)
    facts = blueprint.input_of(read.template)
    pixels = np.random.default_rng(0).integers(
        0, 256, (facts.bands, facts.size_px, facts.size_px), dtype=np.uint8
    )
    np.save(tmp_path / "pixels.npy", pixels)
    program = """
        import sys
        for name in ("torch", "zenml", "mlflow", "prefect", "onnx", "safetensors"):
            sys.modules[name] = None
        from pathlib import Path
        import numpy as np, onnxruntime
        from fair_models.contract.code.loader import load_processing
        from fair_models.inference.parts import Window
        folder, archive, onnx, *code = sys.argv[1:]
        processing = load_processing(Path(archive), *code)
        pixels = np.load(Path(folder) / "pixels.npy")
        session = onnxruntime.InferenceSession(onnx)
        inputs = {session.get_inputs()[0].name: processing.preprocess(pixels)[None]}
        names = [output.name for output in session.get_outputs()]
        outputs = {name: values[0] for name, values in zip(names, session.run(names, inputs))}
        height, width = pixels.shape[1:]
        part, = processing.postprocess(outputs, Window(0, 0, height, width, "here"), {})
        said = [list(value.values()) if isinstance(value, dict) else value for value in vars(part).values()]
        values = np.concatenate([np.ravel(value) for value in said])
        np.save(Path(folder) / "values.npy", np.asarray(values))
        print("done")
    """
    assert run_python(
        program, tmp_path, files.code, files.onnx, files.code_checksum, read.preprocess, read.postprocess
    ).endswith("done")

    assert np.allclose(np.load(tmp_path / "values.npy"), _with_torch(read, files, pixels), atol=1e-4)


def _with_torch(read, files, pixels):
    import torch

    from fair_models.contract.code import loader
    from fair_models.inference.network.session import open_session
    from fair_models.inference.parts import Window
    from fair_models.ml_tasks import weights

    pipeline = loader.load_pipeline(files.code, files.code_checksum, read.entrypoint)
    processing = loader.load_processing(files.code, files.code_checksum, read.preprocess, read.postprocess)
    network = pipeline.build(blueprint.default_params(pipeline, read))
    weights.load(network, read.weights)
    with torch.no_grad():
        values = network.eval()(torch.from_numpy(processing.preprocess(pixels)[None]))
    (name,) = open_session(files.onnx).outputs
    height, width = pixels.shape[1:]
    (part,) = processing.postprocess({name: values[0].numpy()}, Window(0, 0, height, width, "here"), {})
    said = [list(value.values()) if isinstance(value, dict) else value for value in vars(part).values()]
    return np.concatenate([np.ravel(value) for value in said])


@every_contribution
def test_the_library_knows_no_contribution_by_name(folder):
    naming = [
        path.relative_to(PROJECT).as_posix()
        for path in (PROJECT / "fair_models").rglob("*.py")
        if folder.name in path.read_text(encoding="utf-8")
    ]
    assert naming == []
