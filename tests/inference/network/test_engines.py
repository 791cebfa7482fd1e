"""Which engine runs a model, and what is said about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pystac import Item

from fair_models.catalog.items import assets
from fair_models.catalog.items.agreement import FIELD, Agreement, Figure
from fair_models.errors import Invalid, NotFound
from fair_models.inference.network import engines, openvino, session
from fair_models.inference.network.engines import EXACT, ChosenEngine, Way, open_for
from fair_models.inference.network.openvino import open_openvino
from fair_models.store.digests import checksum_file
from fair_models.store.local import LocalStore
from tests.catalog.item_factory import local_item
from tests.inference.tiny import write_network

ORT_INT8, OV_INT8 = Way("onnxruntime", "int8"), Way("openvino", "int8")
OV_BF16 = Way("openvino", "bfloat16")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    return LocalStore(tmp_path_factory.mktemp("store"))


@pytest.fixture
def model(store: LocalStore, tmp_path: Path) -> Item:
    """A published model whose networks lie in the store. What says to be in 8 bits is no other one here."""
    item = local_item()
    for key in ("model", "model-int8"):
        path = write_network(tmp_path / f"{key}.onnx")
        stored = store.put(f"local-models/roofs/v1/{key}-{checksum_file(path)[4:16]}.onnx", path)
        asset = item.assets["model"].clone()
        asset.href = stored.href
        asset.extra_fields |= {"file:checksum": stored.checksum, "file:size": stored.size}
        if key == "model-int8":
            asset.roles = [assets.QUANTIZED]
            del asset.extra_fields["mlm:artifact_type"]
        item.add_asset(key, asset)
    return item


def measured(item: Item, **figures: float | tuple[float, float] | None) -> Item:
    """Give a model the figures by way, e.g. onnxruntime_int8=0.996, of objects (0.996, 0.99)."""
    ways = ((*way.split("_"), value) for way, value in figures.items())
    found = tuple(
        Figure(engine, "1.0", precision, *(value if isinstance(value, tuple) else (value,)))
        for engine, precision, value in ways
    )
    item.properties[FIELD] = Agreement(found, 12, 32).to_json()
    return item


def way_of(opened: session.Session) -> Way:
    return Way(opened.engine, opened.precision)


ALL = {"openvino_int8": 0.9961, "onnxruntime_int8": 0.9962, "openvino_bfloat16": 0.9988}


def test_exact_is_onnx_runtime_in_float32_whatever_was_measured(model: Item, store: LocalStore) -> None:
    opened = open_for(measured(model, **ALL), store)

    assert way_of(opened) == EXACT
    assert opened.note == ""
    assert opened.path == store.fetch(*assets.file_ref(model, assets.MODEL))


def test_fast_takes_the_quickest_and_says_how_well_it_agrees(model: Item, store: LocalStore) -> None:
    opened = open_for(measured(model, **ALL), store, "fast")

    assert way_of(opened) == OV_INT8
    assert opened.path == store.fetch(*assets.file_ref(model, assets.QUANTIZED))
    assert opened.note == "mask IoU 0.9961 against exact on held-out chips"


def test_fast_runs_exact_where_nothing_was_measured_and_says_so(
    model: Item, store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("WARNING"):
        opened = open_for(model, store, "fast")

    assert way_of(opened) == EXACT
    assert opened.note.startswith("fast was asked for and exact was run: not OpenVINO int8: nobody measured")
    assert opened.note in caplog.text


def test_a_file_in_8_bits_without_a_figure_that_is_high_enough_is_never_run(
    model: Item, store: LocalStore
) -> None:
    low = open_for(measured(model, openvino_int8=0.9949, onnxruntime_int8=None), store, "fast")
    bad = open_for(measured(model, onnxruntime_int8=float("nan")), store, "fast")

    assert (way_of(low), way_of(bad)) == (EXACT, EXACT)
    assert "its mask IoU of 0.9949 is below 0.995" in low.note
    assert "nothing but background" in low.note


def test_fast_is_run_only_where_objects_agree_as_well_as_masks(model: Item, store: LocalStore) -> None:
    opened = open_for(
        measured(model, openvino_int8=(0.9981, 0.9709), onnxruntime_int8=(0.9976, 0.9873)), store, "fast"
    )

    assert way_of(opened) == ORT_INT8
    assert opened.note == (
        "mask IoU 0.9976 and instance F1 0.9873 against exact on held-out chips; "
        "not OpenVINO int8: its instance F1 of 0.9709 is below 0.98"
    )


def test_a_figure_of_one_engine_is_none_of_another(model: Item, store: LocalStore) -> None:
    opened = open_for(measured(model, onnxruntime_int8=0.999), store, "fast")

    assert way_of(opened) == ORT_INT8
    assert "not OpenVINO int8: nobody measured" in opened.note


def test_without_openvino_fast_falls_back_and_says_why(
    model: Item, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: False)

    opened = open_for(measured(model, **ALL), store, "fast")

    assert way_of(opened) == ORT_INT8
    assert "not OpenVINO int8: OpenVINO is not installed" in opened.note
    with pytest.raises(Invalid, match=r"pip install 'fair-models\[fast\]'"):
        open_openvino(opened.path)


def test_bfloat16_is_taken_where_it_was_measured_and_the_processor_has_it(
    model: Item, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = {"openvino_int8": 0.99, "openvino_bfloat16": 0.9988}
    del model.assets["model-int8"]
    monkeypatch.setattr(openvino, "has_bfloat16", lambda: True)
    with_it = open_for(measured(model, **figures), store, "fast")
    monkeypatch.setattr(openvino, "has_bfloat16", lambda: False)
    without = open_for(measured(model, **figures), store, "fast")

    assert way_of(with_it) == OV_BF16
    assert with_it.path == store.fetch(*assets.file_ref(model, assets.MODEL))
    assert way_of(without) == EXACT
    assert "this processor has no bfloat16" in without.note


def test_on_cuda_fast_is_exact(model: Item, store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "has_cuda", lambda: True)

    opened = open_for(measured(model, **ALL), store, "fast")

    assert (way_of(opened), opened.note) == (EXACT, "exact is the quickest way on CUDA")


def test_a_repetition_is_run_the_way_that_the_prediction_was(
    model: Item, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = measured(model, **ALL)

    again = open_for(item, store, "fast", ChosenEngine(ORT_INT8, "as it was said then"))
    assert (way_of(again), again.note) == (ORT_INT8, "as it was said then")
    assert way_of(open_for(item, store, "fast", ChosenEngine(EXACT))) == EXACT
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    with pytest.raises(Invalid, match="made with OpenVINO int8, and OpenVINO is not installed"):
        open_for(item, store, "fast", ChosenEngine(OV_INT8))


def test_openvino_is_not_imported_unless_a_network_is_opened_in_it(tmp_path: Path) -> None:
    path = write_network(tmp_path / "network.onnx")
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from fair_models.inference.network import engines, openvino\n"
        "from fair_models.inference.network.session import open_session\n"
        f"open_session(Path({str(path)!r}), 1)\n"
        "assert openvino.is_installed()\n"
        "assert 'openvino' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_openvino_says_and_gives_what_onnx_runtime_does(tmp_path: Path, precision: str) -> None:
    path = write_network(tmp_path / "network.onnx")
    exact, other = session.open_session(path, 1), open_openvino(path, precision, 1)
    batch = np.random.default_rng(0).random((3, 3, 40, 50), np.float32)

    assert (other.dynamic, other.size_px, other.batch, other.bands) == (True, None, None, 3)
    assert (other.input, other.outputs) == (exact.input, exact.outputs)
    tolerance = 1e-6 if precision == "float32" else 0.02
    assert other.run(batch)["probabilities"] == pytest.approx(
        exact.run(batch)["probabilities"], abs=tolerance
    )


def test_openvino_fills_up_a_fixed_batch_and_keeps_what_it_gave_before(tmp_path: Path) -> None:
    fixed = open_openvino(write_network(tmp_path / "fixed.onnx", size_px=32, batch=2), threads=1)
    batches = np.random.default_rng(0).random((2, 3, 3, 32, 32), np.float32)

    first, _ = fixed.run(batches[0])["probabilities"], fixed.run(batches[1])

    assert (fixed.dynamic, fixed.size_px, fixed.batch) == (False, 32, 2)
    assert first[:, 1] == pytest.approx(batches[0].mean(axis=1), abs=1e-6)


def test_openvino_refuses_what_onnx_runtime_refuses(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a network")
    with pytest.raises(Invalid, match=r"broken\.onnx cannot be opened as ONNX"):
        open_openvino(broken)
    with pytest.raises(NotFound, match=r"nothing\.onnx"):
        open_openvino(tmp_path / "nothing.onnx")
    with pytest.raises(Invalid, match="2 inputs"):
        open_openvino(write_network(tmp_path / "two.onnx", inputs=2))
    network = open_openvino(write_network(tmp_path / "network.onnx"), threads=1)
    with pytest.raises(Invalid, match=r"\(1, 4, 8, 8\).*Compare the model's mlm:input"):
        network.run(np.zeros((1, 4, 8, 8), np.float32))


def test_engines_have_names_for_people() -> None:
    assert [str(way) for way in (EXACT, *engines.FAST)] == [
        "ONNX Runtime float32",
        "OpenVINO int8",
        "ONNX Runtime int8",
        "OpenVINO bfloat16",
    ]
