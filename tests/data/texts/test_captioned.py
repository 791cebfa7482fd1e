"""Captioned images as people keep them: read, checked, mended, split by image, loaded."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fair_models.data.splits import Split, by_image
from fair_models.data.texts import captioned, captioned_images, captioned_ingest
from fair_models.data.texts.captioned_samples import load_captioned
from fair_models.errors import Invalid, InvalidImagery, InvalidLabels
from fair_models.imagery_rules import ImageryRules
from fair_models.params import IngestDatasetParams
from fair_models.store.archive import unpack
from fair_models.types import Array


def picture(path: Path, seed: int, size: tuple[int, int] = (40, 30)) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)


@pytest.fixture
def flickr(tmp_path: Path) -> Path:
    """Twelve images in the layout of Flickr8k, and whatever may be wrong with such a folder."""
    images = tmp_path / "flickr" / "Images"
    images.mkdir(parents=True)
    lines = ["image,caption"]
    for number in range(12):
        picture(images / f"{number:04}_ab.jpg", number)
        lines += [f"{number:04}_ab.jpg,A dog , number {number} , runs ." for _ in range(1)]
        lines.append(f"{number:04}_ab.jpg,Number {number} is seen from the left")
    lines.append("0000_ab.jpg,Number 0 is seen from the left")  # twice
    lines.append("0001_ab.jpg, . ")  # empty
    lines.append("9999_zz.jpg,A picture that is not there")
    picture(images / "silent.jpg", 99)  # without a caption
    (images / "broken.jpg").write_bytes((images / "0003_ab.jpg").read_bytes()[:90])
    lines.append("broken.jpg,It cannot be read")
    (images / "twin.jpg").write_bytes((images / "0002_ab.jpg").read_bytes())
    lines.append("twin.jpg,The second one once more")
    Image.new("L", (20, 20), 90).save(images / "grey.png")
    lines.append("grey.png,All is grey")
    (tmp_path / "flickr" / "captions.txt").write_text("\n".join(lines), encoding="utf-8")
    return tmp_path / "flickr"


def params(folder: Path, **fields: Any) -> IngestDatasetParams:
    return IngestDatasetParams(name="dogs", title="Dogs", chips=str(folder), captions="given", **fields)


def test_progress_is_told_after_each_image_with_captions_was_read(
    flickr: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[object] = []
    read_rgb = captioned_images.read_rgb

    def noted(path: Path, rules: ImageryRules) -> tuple[Array, bool]:
        happened.append("read")
        return read_rgb(path, rules)

    monkeypatch.setattr(captioned_images, "read_rgb", noted)
    captioned_ingest.prepare(
        params(flickr), tmp_path / "work", lambda done, total: happened.append((done, total))
    )

    # twelve, a broken one, a twin and one in grey; "silent" has no caption
    assert happened == [each for done in range(1, 16) for each in ("read", (done, 15))]


def test_a_folder_of_flickr8k_becomes_a_dataset_and_what_was_wrong_is_counted(
    flickr: Path, tmp_path: Path
) -> None:
    prepared = captioned_ingest.prepare(params(flickr), tmp_path / "work")

    assert prepared.repairs == {
        "missing_images": 1,
        "without_captions": 1,
        "broken_images": 1,
        "empty_captions": 1,
        "duplicate_captions": 1,
        "duplicate_images": 1,
        "grey_images": 1,
    }
    assert prepared.chip_count == 13
    assert prepared.split_spec["method"] == "image"
    assert [prepared.split_spec[side] for side in ("train", "validation", "held_out")] == [7, 3, 3]
    assert (prepared.geometry, prepared.bbox, prepared.gsd_m) == (None, None, None)
    assert prepared.label_counts == {"caption": 12 * 2 + 1 + 1}
    assert list(prepared.keywords) == ["similarity-search"]


def test_samples_are_whole_images_with_all_their_captions(flickr: Path, tmp_path: Path) -> None:
    prepared = captioned_ingest.prepare(params(flickr), tmp_path / "work")
    unpack(prepared.chips, tmp_path / "chips")
    split = Split.read(prepared.split)

    loaded = load_captioned(
        tmp_path / "chips", prepared.labels, split, ["background", "caption"], 16, "average"
    )

    assert loaded.train.images.shape == (7, 3, 16, 16)
    assert loaded.train.validation is not None
    assert len(loaded.train.validation) == len(loaded.held_out) == 3
    everything = loaded.all
    assert sorted(everything.names) == sorted([*split.train, *split.validation, *split.held_out])
    twin = everything.targets[list(everything.names).index("0002_ab")]
    assert b"The second one once more" in twin.tolist()
    assert b"A dog , number 2 , runs ." in twin.tolist()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("captions.json", json.dumps({"a.jpg": ["one", "two"], "b.jpg": "three"})),
        (
            "captions.json",
            json.dumps(
                [{"image": "a.jpg", "captions": ["one", "two"]}, {"file_name": "b.jpg", "caption": "three"}]
            ),
        ),
        (
            "captions.json",
            json.dumps(
                {
                    "images": [{"id": 4, "file_name": "a.jpg"}, {"id": 5, "file_name": "b.jpg"}],
                    "annotations": [
                        {"image_id": 4, "caption": "one"},
                        {"image_id": 5, "caption": "three"},
                        {"image_id": 4, "caption": "two"},
                    ],
                }
            ),
        ),
        ("captions.csv", "caption;image\none;a.jpg\ntwo;a.jpg\nthree;b.jpg\n"),
        ("Flickr8k.token.txt", "a.jpg#0\tone\na.jpg#1\ttwo\nb.jpg#0\tthree\n"),
    ],
)
def test_captions_are_read_as_people_keep_them(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert captioned.read(tmp_path / name) == {"a.jpg": ["one", "two"], "b.jpg": ["three"]}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("captions.csv", "photo,words\na.jpg,one\n", "its columns are photo, words"),
        ("captions.json", "[1]", "entry 0 is not"),
        ("captions.txt", "a.jpg#0\tone\nfoo\n", "line 2 is not image#number"),
        ("captions.json", "{", "captions.json"),
        ("captions.json", "{}", "has no caption"),
    ],
)
def test_captions_that_cannot_be_read_say_why(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(InvalidLabels, match=said):
        captioned.read(tmp_path / name)


def test_captions_of_other_images_are_refused(flickr: Path, tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("image,caption\nx.jpg,far away\n")
    with pytest.raises(InvalidLabels, match="none of the 1 images that it names"):
        captioned_ingest.prepare(params(flickr, labels=str(tmp_path / "other.csv")), tmp_path / "work")


def test_images_that_cannot_be_read_at_all_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff nothing more")
    (tmp_path / "captions.csv").write_text("image,caption\na.jpg,a dog\n")
    with pytest.raises(InvalidImagery, match=r"a\.jpg"):
        captioned_ingest.prepare(params(tmp_path), tmp_path / "work")


def test_keywords_of_another_task_are_refused(flickr: Path, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="similarity-search"):
        captioned_ingest.prepare(
            params(flickr, keywords=["building", "semantic-segmentation"]), tmp_path / "work"
        )


def test_a_split_by_image_is_60_20_20_and_the_same_again() -> None:
    names = [f"image-{number}" for number in range(100)]
    split = by_image(names, 0.2, seed=4)

    assert [len(side) for side in (split.train, split.validation, split.held_out)] == [60, 20, 20]
    assert {*split.train, *split.validation, *split.held_out} == set(names)
    assert by_image(names[::-1], 0.2, seed=4) == split
    assert by_image(names, 0.2, seed=5) != split


def test_too_few_images_are_not_split() -> None:
    with pytest.raises(Invalid, match="too few"):
        by_image(["a", "b", "c"], 0.2, seed=0)
