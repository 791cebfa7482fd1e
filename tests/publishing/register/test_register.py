"""Registering contributions: what becomes of their folder, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.items import assets, base_models
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.contract import blueprint
from fair_models.contract import contribution as contribution_folder
from fair_models.contract.code import loader
from fair_models.errors import Conflict, Invalid, InvalidContribution, InvalidItem, NotFound
from fair_models.inference.network.session import open_session
from fair_models.inference.parts import Window
from fair_models.publishing.register.register import register_base_model
from fair_models.store.digests import checksum_file
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS
from tests.catalog.item_factory import local_item
from tests.publishing import tiny_contribution

Register = Any


@pytest.fixture
def register(catalog: LocalCatalog, store: LocalStore) -> Register:
    def call(source: Path) -> Item:
        return register_base_model(str(source), catalog, store)

    return call


def ids(catalog: LocalCatalog) -> list[str]:
    return [item.id for item in catalog.search(BASE_MODELS, order="version")]


def edit(folder: Path, change: Any) -> None:
    path = folder / "stac-item.json"
    document = orjson.loads(path.read_bytes())
    change(document)
    path.write_bytes(orjson.dumps(document))


def digest_of(path: Path) -> dict[str, Any]:
    return {"file:checksum": checksum_file(path), "file:size": path.stat().st_size}


def test_a_contribution_becomes_an_item_with_all_its_files_in_the_store(
    register: Register, contribution: Path, store: LocalStore
) -> None:
    item = register(contribution)

    assert item.id == "tiny-v1"
    assert item.properties["version"] == "1"
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    held = {
        "checkpoint": "initial-",
        "model": "model-",
        "source-code": "source-code-",
        "readme": "README-",
    }
    for key, stem in held.items():
        asset = item.assets[key]
        path = store.fetch(asset.href, asset.extra_fields["file:checksum"])
        assert path.stat().st_size == asset.extra_fields["file:size"]
        assert path.parent == store.root / "base-models" / "tiny" / "v1"
        assert path.name.startswith(stem)
    assert item.assets["training-runtime"].href == "local:worker"


def test_the_name_of_a_local_model_is_refused_before_anything_is_stored(
    register: Register, contribution: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    name = orjson.loads((contribution / "stac-item.json").read_bytes())["properties"]["mlm:name"]
    model = local_item(1)
    model.id = f"{name}-v7"
    catalog.commit(Change(put=[model]))

    with pytest.raises(Conflict, match=f"{name} is the name of a local model already"):
        register(contribution)
    assert not ids(catalog)
    assert not list(store.hrefs())


def test_the_network_is_exported_once_and_the_file_that_was_checked_is_stored(
    register: Register, contribution: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, made = blueprint.make, []

    def noted(*arguments: Any) -> blueprint.Blueprint:
        found = make(*arguments)
        assert found.onnx is not None
        made.append(checksum_file(found.onnx))
        return found

    monkeypatch.setattr(blueprint, "make", noted)
    item = register(contribution)

    assert made == [item.assets["model"].extra_fields["file:checksum"]]


def test_the_item_alone_is_enough_to_predict(
    register: Register, contribution: Path, store: LocalStore
) -> None:
    item = register(contribution)

    session = open_session(store.fetch(*assets.file_ref(item, assets.MODEL)), threads=1)
    href, checksum = assets.file_ref(item, assets.SOURCE_CODE)
    functions = loader.load_processing(store.fetch(href, checksum), checksum, *ModelItem(item).processing)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 40, 48), dtype=np.uint8)
    outputs = session.run(functions.preprocess(pixels)[None])
    parts = functions.postprocess(
        {name: values[0] for name, values in outputs.items()}, Window(0, 0, 40, 48, "x"), {}
    )
    assert parts[0].probabilities.shape == (2, 40, 48)


def test_the_same_contribution_again_is_no_new_version(
    register: Register, contribution: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    first = register(contribution)
    before = sorted(store.hrefs())

    assert register(contribution).to_dict() == first.to_dict()
    assert ids(catalog) == ["tiny-v1"]
    assert sorted(store.hrefs()) == before


def new_code(folder: Path) -> None:
    path = folder / "processing.py"
    path.write_text(path.read_text(encoding="utf-8") + "\n# better\n", encoding="utf-8")


def new_weights(folder: Path) -> None:
    tiny_contribution.write_weights(folder, seed=8)
    tiny_contribution.write_item(folder)


def new_title(folder: Path) -> None:
    tiny_contribution.write_item(folder, title="Tinier")


def new_card(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(path.read_text(encoding="utf-8") + "\nMore limits.\n", encoding="utf-8")


def test_each_change_of_code_weights_title_or_model_card_is_the_next_version(
    register: Register, contribution: Path, catalog: LocalCatalog
) -> None:
    assert register(contribution).id == "tiny-v1"
    for number, change in enumerate((new_code, new_weights, new_title, new_card), start=2):
        change(contribution)
        assert register(contribution).id == f"tiny-v{number}"

    *before, last = catalog.search(BASE_MODELS, order="version")
    assert all(item.properties["deprecated"] for item in before)
    assert not last.properties["deprecated"]
    assert all(Path(item.assets["model"].href).is_file() for item in before)


def test_everything_wrong_is_told_at_once_and_nothing_is_stored(
    register: Register, contribution: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    (contribution / "Dockerfile").unlink()
    new_weights(contribution)
    edit(contribution, lambda item: item["properties"].update({"license": None, "keywords": ["spaceship"]}))

    with pytest.raises(InvalidContribution) as refused:
        register(contribution)

    told = str(refused.value)
    for word in ("Dockerfile", "license", "spaceship"):
        assert word in told
    assert ids(catalog) == []
    assert list(store.hrefs()) == []


def test_weights_that_are_not_those_of_the_item_are_refused(
    register: Register, contribution: Path, store: LocalStore
) -> None:
    tiny_contribution.write_weights(contribution, seed=8)
    with pytest.raises(InvalidContribution, match="digest"):
        register(contribution)
    assert list(store.hrefs()) == []


def test_an_onnx_that_disagrees_with_the_weights_is_refused(
    register: Register, contribution: Path, store: LocalStore
) -> None:
    """As where an export forgets to load what was trained."""
    path = contribution / "pipeline.py"
    text = path.read_text(encoding="utf-8").replace(
        "train, evaluate, export = training.train, training.evaluate, training.export",
        "train, evaluate = training.train, training.evaluate\n\n\n"
        "def export(network, path, params):\n"
        '    """Export another network."""\n'
        "    training.export(build(params), path, params)\n",
    )
    path.write_text(text, encoding="utf-8")

    with pytest.raises(InvalidContribution, match="differs by up to"):
        register(contribution)
    assert list(store.hrefs()) == []


def test_an_asset_outside_of_the_folder_is_refused(
    register: Register, contribution: Path, store: LocalStore
) -> None:
    secret = contribution.parent / "secret.txt"
    secret.write_text("secret", encoding="utf-8")
    notes = {"href": "../secret.txt", "roles": ["metadata"], **digest_of(secret)}
    edit(contribution, lambda item: item["assets"].update(notes=notes))
    with pytest.raises(InvalidContribution, match="outside of the folder"):
        register(contribution)
    assert list(store.hrefs()) == []


def test_further_files_that_the_item_names_are_stored_too(register: Register, contribution: Path) -> None:
    picture = contribution / "curves.png"
    picture.write_bytes(b"not really a picture")
    curves = {"href": "curves.png", "roles": ["overview"], **digest_of(picture)}
    edit(contribution, lambda item: item["assets"].update(curves=curves))

    item = register(contribution)

    stored = Path(item.assets["curves"].href)
    assert stored.read_bytes() == b"not really a picture"
    assert "/base-models/tiny/v1/" in stored.as_posix()


def test_a_folder_without_an_item_is_not_found(register: Register, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no stac-item\.json"):
        register(tmp_path)
    with pytest.raises(NotFound, match="nowhere"):
        register(tmp_path / "nowhere")


# Finished items


@pytest.fixture(scope="session")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an item of another catalogue and its files: other keys, relative hrefs, no digests."""
    folder = tmp_path_factory.mktemp("elsewhere")
    read = contribution_folder.read(tiny_contribution.write(tmp_path_factory.mktemp("contribution")))
    made = blueprint.make(read, folder)
    shutil.copy(read.weights, folder)
    shutil.copy(read.readme, folder)
    image = {
        "href": "ghcr.io/hotosm/fair-models/tiny:latest",
        "type": "application/vnd.oci.image.index.v1+json",
    }
    onnx = {"href": f"./{made.onnx.name}", "roles": ["mlm:model"], "mlm:artifact_type": "onnx"}
    code = read.template["assets"]["source-code"] | {"href": f"./{made.code.name}"}
    card = {"href": "./README.md", "roles": ["metadata"]}
    found = {
        "checkpoint": {"href": f"./{read.weights.name}", "roles": ["mlm:model", "mlm:weights"]},
        "onnx": onnx | {"type": "application/octet-stream; framework=onnx"},
        "code": code,
        "mlm:training": image | {"roles": ["mlm:training-runtime"]},
        "mlm:inference": image | {"roles": ["mlm:inference-runtime"]},
        "readme": card,
    }
    item = base_models.build(read.template, 1, {}).to_dict(transform_hrefs=False)
    properties = item["properties"] | {"mlm:name": "other", "title": "Other", "fair:country": "NP"}
    for field in ("gsd", "fair:resampling"):
        del properties[field]
    document = item | {"id": "other", "assets": found, "properties": properties, "links": []}
    (folder / "other.json").write_bytes(orjson.dumps(document))
    return folder


@pytest.fixture
def finished(elsewhere: Path, tmp_path: Path) -> Path:
    """The item's file, in a copy of its folder."""
    return Path(shutil.copytree(elsewhere, tmp_path / "elsewhere")) / "other.json"


def edit_finished(path: Path, change: Any) -> None:
    document = orjson.loads(path.read_bytes())
    change(document)
    path.write_bytes(orjson.dumps(document))


def others(catalog: LocalCatalog) -> list[str]:
    return [item.id for item in catalog.search(BASE_MODELS, name="other", order="version")]


@pytest.mark.parametrize("form", ["{}", "file://{}"])
def test_a_finished_item_is_registered_with_its_files_under_our_keys(
    register: Register, finished: Path, store: LocalStore, catalog: LocalCatalog, form: str
) -> None:
    item = register(form.format(finished))

    assert item.id == "other-v1"
    assert others(catalog) == ["other-v1"]
    assert item.properties["fair:country"] == "NP"
    for key in ("checkpoint", "model", "source-code", "readme"):
        asset = item.assets[key]
        assert (
            "/base-models/other/v1/"
            in store.fetch(asset.href, asset.extra_fields["file:checksum"]).as_posix()
        )
    assert item.assets["training-runtime"].href == "ghcr.io/hotosm/fair-models/tiny:latest"


def test_weak_spots_of_a_finished_item_are_warnings(
    register: Register, finished: Path, caplog: pytest.LogCaptureFixture
) -> None:
    register(finished)
    assert "tiny:latest may change" in caplog.text
    assert "gsd: not given, taken as 0.3" in caplog.text


def test_a_finished_item_again_is_no_new_version(
    register: Register, finished: Path, catalog: LocalCatalog
) -> None:
    assert register(finished).to_dict() == register(finished).to_dict()
    assert others(catalog) == ["other-v1"]


def test_a_finished_item_keeps_the_version_that_it_says(
    register: Register, finished: Path, catalog: LocalCatalog
) -> None:
    register(finished)
    edit_finished(finished, lambda item: item["properties"].update(version="4", title="Newer"))

    assert register(finished).id == "other-v4"
    assert others(catalog) == ["other-v1", "other-v4"]


def test_a_finished_item_that_says_a_version_that_exists_is_a_conflict_and_stores_nothing(
    register: Register, finished: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    register(finished)
    before = sorted(store.hrefs())
    edit_finished(finished, lambda item: item["properties"].update(version="1", title="Newer"))

    with pytest.raises(Conflict, match=r"base-models/other-v1 exists already .* publish it as other-v2"):
        register(finished)
    assert others(catalog) == ["other-v1"]
    assert sorted(store.hrefs()) == before


def test_a_finished_item_whose_digest_is_wrong_is_refused(
    register: Register, finished: Path, catalog: LocalCatalog
) -> None:
    wrong = "1220" + 64 * "0"
    edit_finished(finished, lambda item: item["assets"]["checkpoint"].update({"file:checksum": wrong}))
    with pytest.raises(InvalidItem, match=r"assets\.checkpoint: .*holds other bytes than its checksum says"):
        register(finished)
    assert others(catalog) == []


def test_all_that_is_wrong_with_a_finished_item_is_told_at_once(
    register: Register, finished: Path, catalog: LocalCatalog
) -> None:
    def spoil(item: dict[str, Any]) -> None:
        item["assets"]["checkpoint"]["href"] = "ftp://example.org/weights.pt"
        item["assets"]["onnx"]["href"] = "./nowhere.onnx"
        item["assets"]["code"]["href"] = "./"
        del item["properties"]["license"]

    edit_finished(finished, spoil)
    with pytest.raises(InvalidItem) as refused:
        register(finished)

    told = str(refused.value)
    assert "ftp://example.org/weights.pt cannot be read (its scheme is ftp)" in told
    assert "no file ./nowhere.onnx" in told
    assert "./ is a folder" in told
    assert "license" in told
    assert others(catalog) == []


def test_a_finished_item_whose_onnx_disagrees_with_its_weights_is_refused(
    register: Register, finished: Path, catalog: LocalCatalog
) -> None:
    from fair_models.ml_tasks import weights

    weights.save(tiny_contribution.network(seed=99), finished.parent / "initial.safetensors")
    with pytest.raises(InvalidContribution, match="differs by up to"):
        register(finished)
    assert others(catalog) == []


def test_weights_that_may_hold_code_are_refused_by_name(
    register: Register, finished: Path, catalog: LocalCatalog
) -> None:
    pickled = finished.parent / "weights.pkl"
    pickled.write_bytes(b"\x80\x04.")
    edit_finished(finished, lambda item: item["assets"]["checkpoint"].update(href="weights.pkl"))
    with pytest.raises(InvalidContribution, match=r"\.pkl may hold code"):
        register(finished)
    assert others(catalog) == []


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"{", "is no JSON"), (b"[]", "is no STAC item"), (b'{"type": "Collection"}', "is no STAC item")],
)
def test_a_file_that_is_no_item_is_refused(
    register: Register, tmp_path: Path, content: bytes, told: str
) -> None:
    path = tmp_path / "item.json"
    path.write_bytes(content)
    with pytest.raises(Invalid, match=told):
        register(path)
