"""Windows against one window over everything, with a network that was trained."""

from pathlib import Path

import pytest

from benchmarks import seams
from fair_models.inference import windows


def test_windows_find_the_objects_of_one_window_over_everything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Strips whose windows overlap no more than they have to."""
    size, margin = windows.DEFAULT_SIZE_PX, windows.DEFAULT_MARGIN_PX
    for name in ("DEFAULT_SIZE_PX", "DEFAULT_MARGIN_PX"):
        monkeypatch.setattr(windows, name, getattr(windows, name))  # seams sets them; they are put back
    chips = seams.invented(tmp_path, columns=2, rows=11)
    session = seams.network(tmp_path / "model.onnx", chips)
    reference = seams.objects(chips, session, seams.EVERYTHING_PX, 0)

    found = seams.objects(chips, session, size, margin)

    internal = seams.edges(reference.shape, size, margin)
    assert (size, margin, internal) == (1344, 112, ([1408], []))
    assert reference.max() > 100
    assert seams.object_f1(found, reference) >= 0.99
    assert seams.cut_objects(found, reference, internal) == 0

    # So that the figures can be other than good: chips by themselves.
    alone, chip_edges = seams.each_chip_alone(reference, 256), seams.edges(reference.shape, 256, 0)
    assert seams.object_f1(alone, reference) < 0.95
    assert seams.cut_objects(alone, reference, chip_edges) > 10


def test_windows_tell_apart_what_one_window_over_everything_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, margin = windows.DEFAULT_SIZE_PX, windows.DEFAULT_MARGIN_PX
    for name in ("DEFAULT_SIZE_PX", "DEFAULT_MARGIN_PX"):
        monkeypatch.setattr(windows, name, getattr(windows, name))
    chips = seams.invented(tmp_path, columns=2, rows=11)
    session = seams.network(tmp_path / "model.onnx", chips)
    reference = seams.instances(chips, session, seams.EVERYTHING_PX, 0)

    found = seams.instances(chips, session, size, margin)

    internal = seams.edges(reference.shape, size, margin)
    assert (size, margin, internal) == (1344, 112, ([1408], []))
    assert reference.max() > 100
    assert seams.object_f1(found, reference) >= 0.995
    assert seams.cut_objects(found, reference, internal) == 0

    # So that the figures can be other than good: windows that see nothing of their neighbours.
    small, edges = seams.instances(chips, session, 256, 0), seams.edges(reference.shape, 256, 0)
    assert seams.object_f1(small, reference) < seams.object_f1(found, reference)
    assert seams.cut_objects(small, reference, edges) > 0
