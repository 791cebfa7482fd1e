"""Items that were written without us, on the web and on disk: what is accepted, weak, and refused."""

from __future__ import annotations

import logging
import shutil
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.contract.plans.prediction import plan_prediction
from fair_models.errors import (
    FairModelsError,
    Invalid,
    InvalidContribution,
    InvalidItem,
    NotFound,
    Unavailable,
)
from fair_models.params import PredictParams
from fair_models.publishing.register.register import register_base_model
from fair_models.store.digests import checksum_file
from fair_models.store.local import LocalStore
from fair_models.types import BASE_MODELS
from tests.publishing.register import foreign_item
from tests.store.web_server import WebServer

Register = Callable[[str | Path], Item]
Change = Callable[[dict[str, Any]], object]

ITEM = "items/roof-finder.json"


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("foreign")
    foreign_item.write(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    """The item and its files, to be changed by a test."""
    return Path(shutil.copytree(original, tmp_path / "web"))


@pytest.fixture
def web(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """The same folder, served."""
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    with WebServer(folder).running() as server:
        yield server


@pytest.fixture
def register(catalog: LocalCatalog, store: LocalStore) -> Register:
    return lambda source: register_base_model(str(source), catalog, store)


@pytest.fixture
def refused(register: Register, catalog: LocalCatalog, store: LocalStore) -> Callable[..., str]:
    """Register what must be refused, see that nothing was stored, and give the message."""

    def call(source: str | Path, error: type[FairModelsError] = Invalid) -> str:
        with pytest.raises(error) as raised:
            register(source)
        assert list(catalog.search(BASE_MODELS)) == []
        assert list(store.hrefs()) == []
        return str(raised.value)

    return call


def edit(folder: Path, change: Change) -> Path:
    path = folder / ITEM
    document = orjson.loads(path.read_bytes())
    change(document)
    path.write_bytes(orjson.dumps(document))
    return path


def set_asset(key: str, **values: Any) -> Change:
    return lambda item: item["assets"][key].update(
        {name.replace("__", ":"): value for name, value in values.items()}
    )


# What is right


@pytest.fixture
def registered(web: WebServer, register: Register, caplog: pytest.LogCaptureFixture) -> tuple[Item, str]:
    """The item as it is published from the web, and what was logged."""
    caplog.set_level(logging.WARNING)
    web.redirect("files/latest.pt", web.url("files/cdn/roofs-abc.pt"))
    cdn = web.folder / "files" / "cdn"
    cdn.mkdir()
    (web.folder / "files" / "latest.pt").rename(cdn / "roofs-abc.pt")
    return register(web.url(ITEM)), caplog.text


def test_an_item_on_the_web_is_published_with_its_files_and_its_version(
    registered: tuple[Item, str], store: LocalStore, folder: Path
) -> None:
    item, _ = registered

    assert item.id == "roof-finder-v3"
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert item.properties["fair:country"] == "NP"
    held = {"checkpoint": "files/cdn/roofs-abc.pt", "model": "items/roofs.onnx", "readme": "items/README.md"}
    for key, name in held.items():
        asset = item.assets[key]
        path = store.fetch(asset.href, asset.extra_fields["file:checksum"])
        assert "/base-models/roof-finder/v3/" in path.as_posix()
        assert path.read_bytes() == (folder / name).read_bytes()
    assert item.assets["training-runtime"].href == "ghcr.io/example/roof-finder:latest"
    assert item.assets["paper"].href == "https://example.org/paper.pdf"


def test_code_of_a_repository_is_archived_in_our_form(
    registered: tuple[Item, str], store: LocalStore
) -> None:
    href, checksum = assets.file_ref(registered[0], assets.SOURCE_CODE)
    with zipfile.ZipFile(store.fetch(href, checksum)) as archive:
        assert set(archive.namelist()) == {"__init__.py", "pipeline.py", "layers.py", "fair-code.json"}
        assert orjson.loads(archive.read("fair-code.json")) == {"package": "models.roof_finder"}


def test_hyperparameters_without_specification_get_one_from_the_code(registered: tuple[Item, str]) -> None:
    entries = {entry["key"]: entry for entry in registered[0].properties["fair:hyperparameters_spec"]}

    assert set(entries) == {"epochs", "batch_size", "learning_rate", "width"}
    assert entries["width"] == {
        "key": "width",
        "type": "int",
        "default": 4,
        "min": 1,
        "max": 8,
        "description": "Channels in the middle (1 to 8).",
    }
    assert entries["learning_rate"]["type"] == "float"
    assert entries["learning_rate"]["max"] == 1
    assert "min" not in entries["learning_rate"]  # the code wants more than 0, which an entry cannot say


def test_what_is_weak_or_was_assumed_is_a_warning(registered: tuple[Item, str]) -> None:
    for words in (
        "the image ghcr.io/example/roof-finder:latest may change",
        "assets.checkpoint: ../files/latest.pt has no file:checksum, so nobody can tell",
        "gsd: not given, taken as 0.3",
        "epochs is not in it, assumed to be int",
        "fair:building_iou does not say, taken as higher is better",
        "package models.roof_finder was archived anew",
        "https://fair.invalid/schemas/v1.0.0/base-model/schema.json is neither cached nor reachable",
        "training.weight_decay is in Params but not in the item",
    ):
        assert words in registered[1]


def test_relative_links_of_an_item_on_the_web_become_absolute(
    registered: tuple[Item, str], web: WebServer
) -> None:
    assert registered[0].get_single_link("cite-as").href == web.url("paper.html")  # type: ignore[union-attr]


def test_the_published_item_alone_is_enough_to_predict(
    registered: tuple[Item, str], store: LocalStore, tmp_path: Path, folder: Path
) -> None:
    shutil.rmtree(folder)
    chips = tmp_path / "chips"
    chips.mkdir()
    request = plan_prediction(
        registered[0], PredictParams(model="roof-finder", imagery=str(chips)), store, tmp_path / "out"
    )

    pixels = np.random.default_rng(0).integers(0, 256, (3, 64, 64), dtype=np.uint8)
    outputs = request.session.run(request.processing.preprocess(pixels)[None])
    assert next(iter(outputs.values())).shape == (1, 2, 64, 64)
    assert request.classes == ("background", "building") or list(request.classes) == [
        "background",
        "building",
    ]


def test_imagery_and_results_must_lie_in_the_allowed_folders(
    registered: tuple[Item, str], store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", orjson.dumps([str(inside)]).decode())

    def plan(imagery: Path | str, output: Path | None = None) -> Path:
        wish = PredictParams(
            model="roof-finder", imagery=str(imagery), output=str(output) if output is not None else None
        )
        return plan_prediction(registered[0], wish, store, tmp_path / "home").output

    assert plan(inside, inside / "new") == inside / "new"
    assert (
        plan(f"file://{inside}").parent == tmp_path / "home"
    )  # the system's own folder is no wish of a caller
    for imagery, output in ((outside, None), (inside, outside / "new"), (inside / ".." / "outside", None)):
        with pytest.raises(Invalid, match="FAIR_ALLOWED_FOLDERS"):
            plan(imagery, output)
    (inside / "chip.tif").symlink_to("/etc/hostname")
    with pytest.raises(Invalid, match="leads to /etc/hostname"):
        plan(inside)


def test_the_same_item_again_is_no_new_version(
    registered: tuple[Item, str], web: WebServer, register: Register, catalog: LocalCatalog
) -> None:
    assert register(web.url(ITEM)).to_dict() == registered[0].to_dict()
    assert [item.id for item in catalog.search(BASE_MODELS)] == ["roof-finder-v3"]


def test_the_same_item_on_disk_is_accepted_too(folder: Path, register: Register) -> None:
    item = register(folder / ITEM)
    assert item.id == "roof-finder-v3"
    assert item.get_links("cite-as") == []


def test_an_item_on_disk_may_name_files_on_the_web(web: WebServer, folder: Path, register: Register) -> None:
    path = edit(folder, set_asset("checkpoint", href=web.url("files/latest.pt")))
    assert "/v3/latest-" in register(path).assets["checkpoint"].href
    assert web.asked == ["/files/latest.pt"]


def test_of_several_weights_those_under_our_key_are_taken_and_the_others_kept(
    folder: Path, register: Register
) -> None:
    def change(item: dict[str, Any]) -> None:
        held = item["assets"]
        item["assets"] = {"older": {**held["checkpoint"], "href": "../files/older.pt"}, **held}

    (folder / "files" / "older.pt").write_bytes(b"older weights")
    item = register(edit(folder, change))

    assert "/latest-" in item.assets["checkpoint"].href
    assert Path(item.assets["older"].href).read_bytes() == b"older weights"


def test_an_asset_under_one_of_our_keys_without_the_role_makes_room(folder: Path, register: Register) -> None:
    def change(item: dict[str, Any]) -> None:
        item["assets"]["weights"] = item["assets"].pop("checkpoint")
        item["assets"]["checkpoint"] = {"href": "../files/note.txt", "roles": ["metadata"]}

    (folder / "files" / "note.txt").write_text("a note", encoding="utf-8")
    item = register(edit(folder, change))

    assert "/latest-" in item.assets["checkpoint"].href
    assert "/note-" in item.assets["checkpoint-2"].href


def test_an_item_without_a_model_card_is_accepted(folder: Path, register: Register) -> None:
    assert "readme" not in register(edit(folder, lambda item: item["assets"].pop("readme"))).assets


# What is wrong on the web


def test_nothing_is_downloaded_for_an_item_that_is_wrong(
    web: WebServer, folder: Path, refused: Callable[..., str]
) -> None:
    edit(folder, lambda item: item["properties"].pop("license"))
    assert "license" in refused(web.url(ITEM), InvalidItem)
    assert web.asked == [f"/{ITEM}"]


@pytest.mark.parametrize(
    ("href", "told"),
    [
        ("file:///etc/passwd", "names a file of the machine that reads it"),
        ("/etc/passwd", "names a file of the machine that reads it"),
        ("~/secret", "names a file of the machine that reads it"),
        ("//localhost/x", "names a file of the machine that reads it"),
        ("s3://bucket/x.pt", "s3://bucket is not one of FAIR_ALLOWED_HOSTS"),
        ("https://user:secret@127.0.0.1/x.pt", "has a login"),
        ("https://example.org/x.pt", "not one of FAIR_ALLOWED_HOSTS"),
        ("http://169.254.169.254/x.pt", "not one of FAIR_ALLOWED_HOSTS"),
    ],
)
@pytest.mark.parametrize("key", ["checkpoint", "readme"])
def test_an_item_on_the_web_cannot_name_what_may_not_be_read(
    web: WebServer, folder: Path, refused: Callable[..., str], key: str, href: str, told: str
) -> None:
    edit(folder, set_asset(key, href=href))
    message = refused(web.url(ITEM), InvalidItem)
    assert f"assets.{key}: " in message
    assert told in message
    assert "secret@" not in message
    assert web.asked == [f"/{ITEM}"]


def test_any_other_asset_cannot_name_a_file_of_this_machine_either(
    web: WebServer, folder: Path, refused: Callable[..., str]
) -> None:
    edit(folder, set_asset("paper", href="file:///etc/passwd"))
    assert "assets.paper: file:///etc/passwd names a file of the machine" in refused(
        web.url(ITEM), InvalidItem
    )


def test_digests_of_files_on_the_web_are_compared(
    web: WebServer, folder: Path, refused: Callable[..., str], register: Register
) -> None:
    edit(folder, set_asset("model", file__checksum="1220" + 64 * "0"))
    assert "assets.model: " in refused(web.url(ITEM), InvalidItem)

    edit(folder, set_asset("model", file__checksum=checksum_file(folder / "items" / "roofs.onnx")))
    edit(folder, set_asset("source-code", file__checksum=checksum_file(folder / "files" / "repository.zip")))
    assert register(web.url(ITEM)).id == "roof-finder-v3"


def test_a_file_that_is_too_large_is_refused(
    web: WebServer, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_LARGEST_DOWNLOAD_BYTES", "100")
    assert "has more than 100 bytes" in refused(web.url(ITEM), InvalidItem)


def test_files_that_are_missing_on_the_web_are_all_told(
    web: WebServer, folder: Path, refused: Callable[..., str]
) -> None:
    (folder / "files" / "latest.pt").unlink()
    (folder / "items" / "roofs.onnx").unlink()
    message = refused(web.url(ITEM), InvalidItem)
    assert "assets.checkpoint: " in message
    assert "assets.model: " in message


def test_a_server_that_is_down_is_no_fault_of_the_item(web: WebServer, refused: Callable[..., str]) -> None:
    web.answers["/items/roofs.onnx"] = lambda request: request.send_error(503)
    assert "try again later" in refused(web.url(ITEM), Unavailable)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"<html>", "no JSON"), (b"[]", "no STAC item"), (b'{"type": "Feature", "type": "Feature"}', "twice")],
)
def test_what_is_no_item_on_the_web_is_refused(
    web: WebServer, folder: Path, refused: Callable[..., str], content: bytes, told: str
) -> None:
    (folder / ITEM).write_bytes(content)
    message = refused(web.url(f"{ITEM}?token=secret"))
    assert told in message
    assert "roof-finder.json" in message
    assert "secret" not in message


def test_an_item_that_is_not_there_is_not_found(web: WebServer, refused: Callable[..., str]) -> None:
    assert "does not exist" in refused(web.url("nothing.json"), NotFound)


def test_an_item_in_a_bucket_is_refused_with_the_way_to_do_it(refused: Callable[..., str]) -> None:
    assert "download what lies there" in refused("s3://bucket/item.json")


# What is wrong on disk


def test_files_outside_of_the_allowed_folders_are_refused(
    folder: Path, refused: Callable[..., str], register: Register, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", orjson.dumps([str(folder)]).decode())
    edit(folder, set_asset("readme", href="/etc/hostname"))
    message = refused(folder / ITEM, InvalidItem)
    assert "assets.readme: /etc/hostname lies outside of the folders that may be used" in message
    assert str(folder) in message

    edit(folder, set_asset("readme", href="./README.md"))
    assert register(folder / ITEM).id == "roof-finder-v3"


def test_a_source_outside_of_the_allowed_folders_is_refused(
    folder: Path, contribution: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", '["/srv/models"]')
    for source in (folder / ITEM, contribution, f"file://{folder / ITEM}"):
        assert "FAIR_ALLOWED_FOLDERS has /srv/models" in refused(source)


def test_a_model_card_that_leads_out_of_the_allowed_folders_is_refused(
    contribution: Path, refused: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_FOLDERS", orjson.dumps([str(contribution)]).decode())
    (contribution / "README.md").unlink()
    (contribution / "README.md").symlink_to("/etc/hostname")
    assert "/etc/hostname" in refused(contribution)


def repository(pipeline: str, **more: str) -> Callable[[Path], None]:
    return lambda folder: foreign_item.write_code(folder / "files" / "repository.zip", pipeline, **more)


def changed(before: str, after: str) -> Callable[[Path], None]:
    assert before in foreign_item.PIPELINE
    return repository(foreign_item.PIPELINE.replace(before, after))


BUILD = "    return nn.Sequential(convolution(3, params.width), nn.ReLU(), convolution(params.width, 2))"
PREPROCESS = "    return segmentation.scale_to_unit(window)"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (changed(BUILD, "    raise KeyError('encoder')"), "build failed: KeyError: 'encoder'"),
        (changed(BUILD, "    raise SystemExit(3)"), "build failed: SystemExit: 3"),
        (changed(BUILD, "    return 7"), "build makes int, should make a torch.nn.Module"),
        (changed(BUILD, "    return nn.Linear(3, 2)"), "latest.pt"),
        (changed(PREPROCESS, "    raise ValueError('no')"), "preprocess failed: ValueError: no"),
        (changed(PREPROCESS, "    return None"), "ONNX does not take"),
        (changed(PREPROCESS, "    return segmentation.scale_to_unit(window)[:1]"), "ONNX does not take"),
        (changed("from .layers", "from models.roof_finder.layers"), "write a relative import"),
        (changed("from .layers", "from .absent"), "has no module absent"),
        (
            changed("from torch import nn\n", "from torch import nn\nimport absent_package\n"),
            "absent_package",
        ),
        (changed("def postprocess", "def post"), "has no postprocess"),
        (
            changed("def postprocess(outputs, window, params)", "def postprocess(outputs)"),
            "cannot be called as",
        ),
        (repository("import sys\nsys.exit(1)\n"), "cannot be imported: SystemExit"),
        (repository("def broken(:\n"), "cannot be read as Python"),
        (
            repository(foreign_item.PIPELINE, **{"models/roof_finder/table.json": "1" * 1_100_000}),
            "code files have",
        ),
    ],
)
def test_code_that_breaks_the_contract_is_refused_with_what_it_does(
    folder: Path, refused: Callable[..., str], spoil: Callable[[Path], None], told: str
) -> None:
    spoil(folder)
    message = refused(folder / ITEM, InvalidContribution)
    assert any(words in message for words in told.split("|"))


def test_values_that_the_code_does_not_take_are_refused(folder: Path, refused: Callable[..., str]) -> None:
    def change(item: dict[str, Any]) -> None:
        item["properties"]["mlm:hyperparameters"] |= {"width": 9, "optimizer": "AdamW"}

    edit(folder, change)
    message = refused(folder / ITEM, InvalidContribution)
    assert "training.width: Input should be less than or equal to 8" in message
    assert "training.optimizer" in message


@pytest.mark.parametrize(
    ("entrypoint", "told"),
    [
        ("models.nowhere.pipeline", "modules of several|not in it"),
        ("other.pipeline", "modules of several packages"),
        ("pipeline", "without a package"),
    ],
)
def test_an_entrypoint_that_the_archive_does_not_have_is_refused(
    folder: Path, refused: Callable[..., str], entrypoint: str, told: str
) -> None:
    edit(folder, set_asset("source-code", mlm__entrypoint=entrypoint))
    message = refused(folder / ITEM, InvalidContribution)
    assert any(words in message for words in told.split("|"))


def test_a_page_for_people_is_no_archive_of_code(folder: Path, refused: Callable[..., str]) -> None:
    (folder / "files" / "repository.zip").write_text("<html>", encoding="utf-8")
    assert "repository.zip is no zip archive of the modules" in refused(folder / ITEM, InvalidItem)


def test_an_asset_that_is_a_runtime_too_is_no_file(folder: Path, refused: Callable[..., str]) -> None:
    edit(folder, set_asset("checkpoint", roles=["mlm:weights", "mlm:training-runtime"]))
    said = refused(folder / ITEM, InvalidItem)  # by MLM's own schema, where that is at hand
    assert "assets.checkpoint: is no file" in said or "assets.checkpoint: has what it may not have" in said


def test_a_model_card_that_is_no_text_is_refused(folder: Path, refused: Callable[..., str]) -> None:
    (folder / "items" / "README.md").write_bytes(b"\xff\xfe")
    assert "assets.readme: README.md is no text" in refused(folder / ITEM, InvalidItem)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda item: item.update(properties=[]), "properties: should be an object"),
        (lambda item: item["properties"].update({"fair:metrics_spec": 7}), "fair:metrics_spec: is 7"),
        (
            lambda item: item["properties"].update({"fair:hyperparameters_spec": 7}),
            "fair:hyperparameters_spec: is 7",
        ),
        (lambda item: item["properties"].update({"mlm:hyperparameters": []}), "mlm:hyperparameters: is []"),
        (lambda item: item.update(assets=None), "assets: should be an object"),
        (lambda item: item.update(id=["x"]), "id"),
    ],
)
def test_malformed_items_are_refused_with_the_reason(
    folder: Path, refused: Callable[..., str], change: Change, told: str
) -> None:
    assert told in refused(edit(folder, change), InvalidItem)


# Items that are wrong in any place

WRONG = (None, 7, -0.5, True, "x", "\0", [], [[]], {}, {"a": {}})
"""What is put in the place of each value of an item, one after the other."""


def places(node: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """All places of a document but the document itself."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        yield (*place, key)
        yield from places(value, (*place, key))


def replaced(place: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    document = deepcopy(foreign_item.ITEM)
    node: Any = document
    for key in place[:-1]:
        node = node[key]
    node[place[-1]] = value
    return document


def publishes(document: dict[str, Any], folder: Path, home: Path) -> bool:
    """Whether an item is published; where it is not, nothing may be left of it."""
    (folder / ITEM).write_bytes(orjson.dumps(document))
    catalog, store = LocalCatalog(home / "catalog"), LocalStore(home / "store")
    try:
        item = register_base_model(str(folder / ITEM), catalog, store)
    except FairModelsError:
        assert list(catalog.search(BASE_MODELS)) == []
        assert list(store.hrefs()) == []
        return False
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    return True


@pytest.mark.proof
def test_an_item_with_something_else_in_any_place_is_published_right_or_refused(
    folder: Path, tmp_path: Path
) -> None:
    """Only errors of our family come out, and an item that is refused leaves nothing behind.

    Each place gets two of the wrong values here; all ten at each place took five minutes and found no other.
    """
    published = 0
    for number, place in enumerate(places(foreign_item.ITEM)):
        for value in (WRONG[number % 10], WRONG[(number + 5) % 10]):
            home = tmp_path / "homes" / f"{number}-{WRONG.index(value)}"
            try:
                published += publishes(replaced(place, value), folder, home)
            except Exception as error:
                raise AssertionError(f"{place} = {value!r}: {type(error).__name__}: {error}") from error
            shutil.rmtree(home, ignore_errors=True)
    assert published
