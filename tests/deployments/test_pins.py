"""Images are pinned by digest in one place."""

from pathlib import Path

import pytest

from deployments import render
from deployments.pin import FILE, pin

DIGEST = f"sha256:{'a1' * 32}"
TRAINING = "ghcr.io/hotosm/fair-models/training"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "kustomization.yaml"
    path.write_text(FILE.read_text(encoding="utf-8"), encoding="utf-8")
    return path


def test_a_digest_takes_the_place_of_the_tag_and_of_the_digest_before(file: Path) -> None:
    for digest in (f"sha256:{'00' * 32}", DIGEST):
        pin([f"{TRAINING}@{digest}"], file)
    found = render.pins(file.parent)
    assert render.pinned("fair-models/training", found) == f"{TRAINING}@{DIGEST}"
    assert render.pinned("fair-models/services", found).endswith("/services:0.1.0")
    assert file.read_text(encoding="utf-8").startswith("# The one place")


@pytest.mark.parametrize(
    "reference", [f"{TRAINING}:0.1.0", f"{TRAINING}@sha256:12", f"ghcr.io/other@{DIGEST}"]
)
def test_what_is_no_pinned_image_of_ours_is_refused(file: Path, reference: str) -> None:
    before = file.read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="is not NAME@sha256"):
        pin([f"{TRAINING}@{DIGEST}", reference], file)
    assert file.read_text(encoding="utf-8") == before


def test_pinning_nothing_is_refused(file: Path) -> None:
    with pytest.raises(SystemExit, match="No image was named"):
        pin([], file)
