"""Items as the existing fAIr catalogue writes them today: what is taken, and all that stands against one."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from fair_models.catalog.items import base_models, hyperparameters
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.cli.app import app
from fair_models.errors import Invalid, InvalidItem, Unavailable
from fair_models.publishing import item_check
from fair_models.publishing.register import code_hosts, downloads
from fair_models.publishing.register.register import register_base_model
from fair_models.store.local import LocalStore
from tests.publishing.register import foreign_item

Json = dict[str, Any]
ITEM = "items/roof-finder.json"
COMMIT = "3f2a9c1" + 33 * "0"
VALUES = {"epochs": 5, "batch_size": 4, "learning_rate": 0.001, "width": 4}


def bare_specification() -> list[Json]:
    kinds = {int: "int", float: "float"}
    bounds = {"epochs": {"min": 1, "max": 500}, "width": {"min": 1, "max": 8}}
    return [
        {"key": key, "type": kinds[type(value)], "default": value, "description": key, **bounds.get(key, {})}
        for key, value in VALUES.items()
    ]


def with_bare_keys(item: Json) -> None:
    item["properties"]["fair:hyperparameters_spec"] = bare_specification()
    item["properties"]["mlm:hyperparameters"] = {f"training.{key}": value for key, value in VALUES.items()}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("upstream")
    foreign_item.write(folder)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    return Path(shutil.copytree(original, tmp_path / "web"))


def edited(folder: Path, *changes: Callable[[Json], object]) -> Path:
    document = deepcopy(foreign_item.ITEM)
    for change in changes:
        change(document)
    path = folder / ITEM
    path.write_bytes(orjson.dumps(document))
    return path


def completed(*changes: Callable[[Json], object]) -> tuple[Json, list[str]]:
    document = deepcopy(foreign_item.ITEM)
    for change in changes:
        change(document)
    return base_models.complete(document)


# Hyperparameters


def test_keys_without_a_use_get_the_one_that_the_values_have() -> None:
    template, remarks = completed(with_bare_keys)
    entries = template["properties"]["fair:hyperparameters_spec"]

    assert [entry["key"] for entry in entries] == [f"training.{key}" for key in VALUES]
    assert entries[0]["max"] == 500
    assert hyperparameters.specification_problems(template["properties"], own_values=False) == []
    assert "properties.fair:hyperparameters_spec: epochs is taken as training.epochs" in remarks


def test_values_without_a_use_get_the_one_that_the_entries_have() -> None:
    def change(item: Json) -> None:
        with_bare_keys(item)
        for entry in item["properties"]["fair:hyperparameters_spec"]:
            entry["key"] = f"training.{entry['key']}"
        item["properties"]["mlm:hyperparameters"] = dict(VALUES)

    template, _ = completed(change)
    assert template["properties"]["mlm:hyperparameters"] == {f"training.{k}": v for k, v in VALUES.items()}
    assert hyperparameters.specification_problems(template["properties"], own_values=False) == []


def test_a_key_that_two_values_could_be_meant_by_is_refused_with_both(folder: Path) -> None:
    def change(item: Json) -> None:
        with_bare_keys(item)
        item["properties"]["mlm:hyperparameters"]["inference.epochs"] = 5

    found = item_check.check(str(edited(folder, change)))
    told = next(problem for problem in found.problems if "epochs is specified" in problem)
    assert "write in full which is meant, training.epochs or inference.epochs" in told


def test_an_entry_without_a_value_gives_its_default() -> None:
    def change(item: Json) -> None:
        with_bare_keys(item)
        del item["properties"]["mlm:hyperparameters"]["training.width"]

    template, remarks = completed(change)
    assert template["properties"]["mlm:hyperparameters"]["width"] == 4
    assert any("width has no value, its default is taken" in remark for remark in remarks)


def test_an_item_with_bare_keys_is_registered_with_its_own_bounds(
    folder: Path, catalog: LocalCatalog, store: LocalStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    item = register_base_model(str(edited(folder, with_bare_keys)), catalog, store)
    entries = {entry["key"]: entry for entry in item.properties["fair:hyperparameters_spec"]}
    assert entries["training.epochs"]["max"] == 500
    assert hyperparameters.resolve(item, {"training.epochs": 7})["training.epochs"] == 7
    assert "epochs is taken as training.epochs" in caplog.text


# Addresses


@pytest.mark.parametrize(
    ("page", "file", "moves"),
    [
        (f"tree/{COMMIT}/models/roofs", f"https://codeload.github.com/hotosm/models/zip/{COMMIT}", ""),
        ("tree/main/models/roofs", "https://codeload.github.com/hotosm/models/zip/main", "main"),
        ("tree/refs/heads/main/x", "https://codeload.github.com/hotosm/models/zip/main", "main"),
        ("tree/v1.2", "https://codeload.github.com/hotosm/models/zip/v1.2", "v1.2"),
        ("", "https://codeload.github.com/hotosm/models/zip/HEAD", "HEAD"),
    ],
)
def test_a_page_of_code_is_the_archive_of_its_commit_or_branch(page: str, file: str, moves: str) -> None:
    for host in ("github.com", "www.github.com"):
        place = code_hosts.archive_of(f"https://{host}/hotosm/models/{page}")
        assert place == code_hosts.Place(file, moves)


@pytest.mark.parametrize(
    ("page", "file"),
    [
        (
            "https://gitlab.com/a/b/models/-/tree/main/x",
            "https://gitlab.com/a/b/models/-/archive/main/models-main.zip",
        ),
        ("https://github.com/a/b/archive/main.zip", None),
        ("https://example.org/a/b/tree/main", None),
        ("https://github.com/a", None),
    ],
)
def test_of_other_addresses_only_pages_of_code_hosts_are_changed(page: str, file: str | None) -> None:
    place = code_hosts.archive_of(page)
    assert (place and place.href) == file


@pytest.mark.parametrize(
    ("page", "file"),
    [
        (
            "https://github.com/a/b/blob/main/x/README.md",
            "https://raw.githubusercontent.com/a/b/main/x/README.md",
        ),
        ("https://huggingface.co/a/b/blob/main/w.pt", "https://huggingface.co/a/b/resolve/main/w.pt"),
        ("https://hf.co/a/b/resolve/main/w.pt", None),
        ("https://raw.githubusercontent.com/a/b/main/README.md", None),
    ],
)
def test_a_page_of_a_file_is_the_file(page: str, file: str | None) -> None:
    place = code_hosts.file_of(page)
    assert (place and place.href) == file


def elsewhere(item: Json) -> None:
    held = item["assets"]
    held["source-code"]["href"] = "https://github.com/hotosm/models/tree/main/models/roof_finder"
    held["checkpoint"]["href"] = "https://hf.co/a/b/resolve/abc/weights.pth"
    held["readme"]["href"] = "https://raw.githubusercontent.com/hotosm/models/refs/heads/main/README.md"


def test_all_addresses_that_may_not_be_asked_are_told_at_once_with_where_to_put_the_files(
    folder: Path, catalog: LocalCatalog, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["hf.co"]')
    path = edited(folder, elsewhere, lambda item: item["properties"].pop("license"))
    with pytest.raises(InvalidItem) as raised:
        register_base_model(str(path), catalog, store)
    said = str(raised.value)
    for words in (
        "the host codeload.github.com is not one of FAIR_ALLOWED_HOSTS",
        "the host raw.githubusercontent.com is not one of FAIR_ALLOWED_HOSTS",
        "leads to huggingface.co, which is not one of FAIR_ALLOWED_HOSTS",
        "license",
    ):
        assert words in said
    by_hand = downloads.by_hand("https://hf.co/a/b/resolve/abc/weights.pth", None)
    assert f"put it at {by_hand}" in said


def test_files_that_were_put_by_hand_are_taken_in_place_of_their_addresses(
    folder: Path, catalog: LocalCatalog, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["nowhere.example"]')
    path = edited(folder, elsewhere)
    hand = {
        "https://codeload.github.com/hotosm/models/zip/main": "files/repository.zip",
        "https://hf.co/a/b/resolve/abc/weights.pth": "files/latest.pt",
        "https://raw.githubusercontent.com/hotosm/models/refs/heads/main/README.md": "items/README.md",
    }
    for address, file in hand.items():
        place = downloads.by_hand(address, None)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / file, place)
    assert register_base_model(str(path), catalog, store).id == "roof-finder-v3"


def test_servers_that_do_not_answer_are_told_together_with_where_to_put_the_files(
    folder: Path, catalog: LocalCatalog, store: LocalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')

    def change(item: Json) -> None:
        item["assets"]["checkpoint"]["href"] = "http://127.0.0.1:9/w.pt"
        item["assets"]["model"]["href"] = "http://127.0.0.1:9/w.onnx"

    with pytest.raises(Unavailable) as raised:
        register_base_model(str(edited(folder, change)), catalog, store)
    for key, name in (("checkpoint", "w.pt"), ("model", "w.onnx")):
        assert f"assets.{key}: " in str(raised.value)
        assert f"put it at {downloads.by_hand(f'http://127.0.0.1:9/{name}', None)}" in str(raised.value)


# Roles and names


def test_of_two_models_the_file_of_torch_is_the_weights_and_the_onnx_the_model() -> None:
    template, remarks = completed(lambda item: item["assets"]["checkpoint"].update(roles=["mlm:model"]))
    assert "mlm:weights" in template["assets"]["checkpoint"]["roles"]
    assert base_models.own_keys(template["assets"])["model"] == "model"
    assert any("taken for the weights" in remark for remark in remarks)


def test_a_name_that_holds_the_version_is_taken_without_it() -> None:
    def change(item: Json) -> None:
        item["id"] = item["properties"]["mlm:name"] = "ramp-v1"

    template, _ = completed(change)
    assert base_models.name_of(template) == "ramp"


# check-item, and items of other kinds


def test_check_item_lists_all_at_once_and_downloads_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FAIR_ALLOWED_HOSTS", raising=False)

    def change(item: Json) -> None:
        elsewhere(item)
        del item["properties"]["license"], item["properties"]["title"]
        item["properties"]["keywords"] = ["building"]

    path = edited(folder, change)
    ran = CliRunner().invoke(app, ["check-item", str(path), "--json"])
    assert ran.exit_code == 2
    found = orjson.loads(ran.stdout)
    assert found["kind"] == "a base model"
    told = " ".join(found["problems"])
    assert all(words in told for words in ("license", "title", "keywords"))
    noted = " ".join(found["remarks"])
    assert "higher is better" in noted
    assert "codeload.github.com/hotosm/models/zip/main is taken" in noted


def test_check_item_passes_what_register_takes(folder: Path) -> None:
    ran = CliRunner().invoke(app, ["check-item", str(edited(folder, with_bare_keys))])
    assert ran.exit_code == 0, ran.output
    assert "roof-finder (the item of a base model) passes" in ran.output
    assert ":latest may change" in ran.output


def test_check_item_compares_the_files_that_are_here(folder: Path) -> None:
    path = edited(folder, lambda item: item["assets"]["model"].update({"file:checksum": "1220" + 64 * "0"}))
    (folder / "files/latest.pt").unlink()
    found = item_check.check(str(path))
    assert any(problem.startswith("assets.model: ") for problem in found.problems)
    assert any("there is no file ../files/latest.pt" in problem for problem in found.problems)


def test_register_says_what_to_do_with_the_item_of_a_dataset(
    folder: Path, catalog: LocalCatalog, store: LocalStore
) -> None:
    path = folder / "dataset.json"
    document = {"type": "Feature", "id": "roofs", "properties": {"label:type": "vector"}, "assets": {}}
    path.write_bytes(orjson.dumps(document))
    with pytest.raises(Invalid, match="the item of a dataset and not of a base model; ingest it"):
        register_base_model(str(path), catalog, store)
