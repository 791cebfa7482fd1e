"""The official schemas that the images hold."""

from pathlib import Path

import pytest

from deployments import schemas
from fair_models.catalog import validation
from fair_models.catalog.schemas import cache, official
from fair_models.errors import NotFound, Unavailable
from fair_models.types import Json
from tests.catalog.item_factory import base_item, dataset_item, local_item, raw
from tests.deployments.test_images import BASE, stages


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, shared_schemas: Path) -> list[str]:
    """The web, which the sample schemas stand for; says what was fetched."""
    asked: list[str] = []

    def download(address: str) -> bytes:
        asked.append(address)
        file = shared_schemas / address.removeprefix("https://")
        if not file.is_file():
            raise NotFound(address)
        return file.read_bytes()

    monkeypatch.setattr(cache, "_download", download)
    return asked


@pytest.mark.shared
def test_with_the_schemas_of_the_image_items_are_checked_whole_without_the_web(
    web: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas.fill(tmp_path / "shipped")
    assert len(web) == len(set(web)) > len(["MLM", "classification 1.1.0"])

    def gone(address: str) -> bytes:
        raise Unavailable(address)

    monkeypatch.setattr(cache, "_download", gone)
    monkeypatch.setattr(official, "_CHECKERS", {})
    monkeypatch.setenv("FAIR_SCHEMA_CACHE", str(tmp_path / "shipped"))
    monkeypatch.setenv("FAIR_OFFICIAL_SCHEMAS", "required")
    items: list[Json] = [raw(each()) for each in (base_item, dataset_item, local_item)]
    assert [validation.validate(item).unchecked for item in items] == [[], [], []]


def test_an_image_without_all_schemas_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(address: str) -> bytes:
        raise Unavailable(address)

    monkeypatch.setattr(cache, "_download", gone)
    with pytest.raises(SystemExit, match="could not be fetched"):
        schemas.fill(tmp_path)


@pytest.mark.parametrize("target", ["inference", "training"])
def test_images_that_check_items_hold_them(target: str) -> None:
    lines = stages(BASE.read_text(encoding="utf-8"))[target]
    made = lines.index('RUN python -m deployments.schemas "$FAIR_SCHEMA_CACHE"')
    assert lines.index("ENV FAIR_SCHEMA_CACHE=/opt/stac-schemas") < made < lines.index("USER 10001")
    assert lines.index("COPY deployments ./deployments") < made
