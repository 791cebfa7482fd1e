"""Registering a contribution that starts from weights on the web."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.errors import InvalidContribution, Unavailable
from fair_models.publishing.register.register import register_base_model
from fair_models.store.digests import checksum_file
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS, Json
from tests.store.web_server import WebServer


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    (tmp_path / "web").mkdir()
    with WebServer(tmp_path / "web").running() as running:
        yield running


@pytest.fixture
def published(contribution: Path, server: WebServer) -> Path:
    """The tiny contribution, its weights on the web and not in its folder."""
    file = contribution / "weights" / "initial.safetensors"
    asset = {
        "href": server.url("tiny.safetensors"),
        "file:checksum": checksum_file(file),
        "license": "MIT",
        "roles": ["mlm:weights"],
    }
    shutil.move(file, server.folder / "tiny.safetensors")
    _say(contribution, asset)
    return contribution


def _say(folder: Path, asset: Json) -> None:
    path = folder / "stac-item.json"
    template = orjson.loads(path.read_bytes())
    template["assets"]["checkpoint"] = asset
    path.write_bytes(orjson.dumps(template))


def test_the_registry_keeps_the_weights_says_where_they_are_from_and_asks_once(
    published: Path, catalog: LocalCatalog, store: LocalStore, server: WebServer
) -> None:
    item = register_base_model(str(published), catalog, store)
    shutil.rmtree(server.folder)
    again = register_base_model(str(published), catalog, store)

    assert (item.id, again.id) == ("tiny-v1", "tiny-v1")
    path = store.fetch(*assets.file_ref(item, assets.WEIGHTS))
    asset = assets.by_role(item, assets.WEIGHTS)
    assert path.stat().st_size == asset.extra_fields["file:size"]
    assert asset.extra_fields["fair:published_weights"]["href"] == server.url("tiny.safetensors")
    assert item.properties["mlm:pretrained_source"] == server.url("tiny.safetensors")
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []


def test_what_cannot_be_reached_or_may_not_be_used_leaves_nothing_behind(
    published: Path, catalog: LocalCatalog, store: LocalStore, home: Path
) -> None:
    asset = orjson.loads((published / "stac-item.json").read_bytes())["assets"]["checkpoint"]
    _say(published, {**asset, "license": "CC-BY-NC-4.0"})
    with pytest.raises(InvalidContribution, match="forbids commercial use"):
        register_base_model(str(published), catalog, store)
    _say(published, {**asset, "href": "http://127.0.0.1:9/tiny.safetensors"})
    with pytest.raises(Unavailable, match="--random-start"):
        register_base_model(str(published), catalog, store)

    assert list(catalog.search(BASE_MODELS)) == []
    assert not any(path.is_file() for path in (home / "store").rglob("*"))
