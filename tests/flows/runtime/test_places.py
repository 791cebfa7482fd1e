"""Flows work on the blocks named "default", else on the settings."""

from pathlib import Path

import pytest

from blocks.bucket_store import BucketStore
from fair_models.errors import Invalid
from flows.runtime import places
from flows.runtime.places import enter, open_catalog, open_store
from tests.flows.leaking import save_store


def test_without_blocks_the_settings_say_where_things_are(prefect_api: str, home: Path) -> None:
    enter()
    href = open_store().put("datasets/x/v1/a-000000000000.txt", b"a").href
    assert Path(href).is_relative_to(home / "store")
    assert Path(open_catalog().href("datasets", "x-v1")).is_relative_to(home / "catalog")


def test_blocks_saved_as_default_take_their_place(registry: Path, home: Path) -> None:
    enter()
    href = open_store().put("datasets/x/v1/a-000000000000.txt", b"a").href
    assert Path(href).is_relative_to(registry / "store")
    assert Path(open_catalog().href("datasets", "x-v1")).is_relative_to(registry / "catalog")


def test_two_blocks_for_one_purpose_are_refused(registry: Path) -> None:
    save_store("some-bucket", "http://127.0.0.1:1")
    try:
        with pytest.raises(Invalid, match="only one of them"):
            enter()
    finally:
        BucketStore.delete("default")


def test_two_stores_are_told_in_a_sentence_where_a_program_is_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse() -> None:
        raise Invalid("The blocks a and b are both saved")

    monkeypatch.setattr(places, "enter", refuse)
    with pytest.raises(SystemExit) as ended:
        places.main(["program"])
    assert ended.value.code == "Blocks: The blocks a and b are both saved"
