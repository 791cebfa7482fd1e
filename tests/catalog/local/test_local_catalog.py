"""What only the catalogue in a folder does: files for plain tools, and an index that may be lost."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pystac
import pytest
from pystac import Asset, Item, Link
from pystac_client import Client

from fair_models.catalog.local import database
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.local.lock import held
from fair_models.catalog.opening import open_catalog
from fair_models.catalog.protocol import Change
from fair_models.catalog.schemas import extensions, official
from fair_models.catalog.search.query import ItemSearch
from fair_models.errors import Corrupted, Invalid, NotFound, Unavailable
from fair_models.settings import Settings

MakeItem = Callable[..., Item]


@pytest.fixture
def local(tmp_path: Path) -> LocalCatalog:
    return LocalCatalog(tmp_path / "catalog")


@pytest.fixture
def filled(local: LocalCatalog, make_item: MakeItem) -> LocalCatalog:
    local.commit(
        Change(
            put=[
                make_item("roofs-v1", title="Roofs", deprecated=True),
                make_item("roofs-v2"),
                make_item("ramp-v1", "base-models"),
                make_item("banepa-v1", "datasets"),
            ]
        )
    )
    return local


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def ids(catalog: LocalCatalog, **asked: Any) -> list[str]:
    return [item.id for item in catalog.search("local-models", **asked)]


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Inode and time of each STAC file."""
    return {
        str(path.relative_to(folder)): (path.stat().st_ino, path.stat().st_mtime_ns)
        for path in folder.rglob("*.json")
    }


def test_reading_makes_nothing_on_disk(tmp_path: Path) -> None:
    catalog = open_catalog(Settings(home=tmp_path / "home"))
    assert list(catalog.search("datasets")) == []
    with pytest.raises(NotFound):
        catalog.get("datasets", "banepa-v1")
    assert catalog.collection("datasets").title == "Datasets"
    assert not (tmp_path / "home").exists()


def test_plain_pystac_reads_the_catalogue(filled: LocalCatalog) -> None:
    plain = pystac.Catalog.from_file(str(filled.root / "catalog.json"))
    assert sorted(item.id for item in plain.get_items(recursive=True)) == [
        "banepa-v1",
        "ramp-v1",
        "roofs-v1",
        "roofs-v2",
    ]
    item = plain.get_child("local-models").get_item("roofs-v1")
    assert item.get_root() is plain
    assert item.get_parent().id == item.get_collection().id == "local-models"
    assert plain.catalog_type == pystac.CatalogType.SELF_CONTAINED


@pytest.mark.filterwarnings("ignore")
def test_pystac_client_opens_the_catalogue(filled: LocalCatalog) -> None:
    client = Client.open(str(filled.root / "catalog.json"))
    assert sorted(item.id for item in client.get_items(recursive=True))[0] == "banepa-v1"
    assert client.get_collection("local-models").get_item("roofs-v2").properties["deprecated"] is False


def test_the_layout_is_the_one_that_pystac_makes(filled: LocalCatalog, tmp_path: Path) -> None:
    plain = pystac.Catalog.from_file(str(filled.root / "catalog.json")).full_copy()
    plain.normalize_and_save(str(tmp_path / "by-pystac"), pystac.CatalogType.SELF_CONTAINED)
    assert set(tree(filled.root)) - {".lock.json"} == set(tree(tmp_path / "by-pystac"))


def test_no_file_says_where_the_catalogue_lies(filled: LocalCatalog, tmp_path: Path) -> None:
    for path in filled.root.rglob("*.json"):
        assert str(tmp_path) not in path.read_text(encoding="utf-8")
        assert "self" not in [link["rel"] for link in read(path).get("links", [])]


def test_the_home_can_be_moved_as_a_whole(tmp_path: Path, make_item: MakeItem) -> None:
    home, outside = tmp_path / "home", tmp_path / "outside" / "scene.tif"
    catalog = LocalCatalog(home / "catalog")
    item = make_item("roofs-v1")
    item.add_asset("model", Asset(str(home / "store" / "roofs.onnx"), roles=["mlm:model"]))
    item.add_asset("scene", Asset(str(outside)))
    item.add_link(Link("derived_from", catalog.href("base-models", "ramp-v1")))
    catalog.commit(Change(put=[item, make_item("ramp-v1", "base-models")]))
    for path in (home / "store" / "roofs.onnx", outside):
        path.parent.mkdir()
        path.write_bytes(b"bytes")

    home.rename(tmp_path / "moved")

    moved = LocalCatalog(tmp_path / "moved" / "catalog")
    item = moved.get("local-models", "roofs-v1")
    assert item.assets["model"].href == str(tmp_path / "moved" / "store" / "roofs.onnx")
    assert Path(item.assets["model"].href).read_bytes() == b"bytes"
    assert item.assets["scene"].href == str(outside)
    assert item.get_single_link("derived_from").href == moved.get("base-models", "ramp-v1").get_self_href()
    plain = pystac.Item.from_file(str(tmp_path / "moved/catalog/local-models/roofs-v1/roofs-v1.json"))
    assert Path(plain.assets["model"].get_absolute_href()).read_bytes() == b"bytes"
    assert plain.get_single_link("derived_from").resolve_stac_object().target.id == "ramp-v1"


def test_a_copied_home_is_read_at_its_new_place(filled: LocalCatalog, tmp_path: Path) -> None:
    shutil.copytree(filled.root, tmp_path / "copy")
    copy = LocalCatalog(tmp_path / "copy")
    assert copy.get("local-models", "roofs-v1").get_self_href().startswith(str(tmp_path / "copy"))
    copy.commit(Change(remove=[("local-models", "roofs-v1")]))
    assert ids(copy) == ["roofs-v2"]
    assert ids(filled) == ["roofs-v1", "roofs-v2"]


def test_only_the_touched_files_are_written(filled: LocalCatalog, make_item: MakeItem) -> None:
    before = tree(filled.root)
    filled.commit(
        Change(
            put=[
                make_item("roofs-v3"),
                make_item("roofs-v2", deprecated=True),
                make_item("ramp-v1", "base-models"),
            ]
        )
    )
    after = tree(filled.root)
    changed = {path for path in after if after[path] != before.get(path)} - {".lock.json"}
    assert changed == {
        "local-models/collection.json",
        "local-models/roofs-v2/roofs-v2.json",
        "local-models/roofs-v3/roofs-v3.json",
    }


def test_a_removed_item_leaves_no_file(filled: LocalCatalog) -> None:
    filled.commit(Change(remove=[("local-models", "roofs-v1")]))
    assert not (filled.root / "local-models" / "roofs-v1").exists()


def test_a_change_leaves_an_empty_journal(filled: LocalCatalog) -> None:
    assert list((filled.root / ".journal").iterdir()) == []


def test_items_keep_the_place_that_another_tool_gave_them(filled: LocalCatalog, make_item: MakeItem) -> None:
    plain = pystac.Catalog.from_file(str(filled.root / "catalog.json"))
    template = pystac.layout.TemplateLayoutStrategy(item_template="by-name/${id}")
    plain.normalize_and_save(str(filled.root), pystac.CatalogType.SELF_CONTAINED, strategy=template)
    path = filled.root / "local-models" / "by-name" / "roofs-v2" / "roofs-v2.json"
    path = path if path.exists() else filled.root / "local-models" / "by-name" / "roofs-v2.json"

    assert filled.href("local-models", "roofs-v2") == filled.get("local-models", "roofs-v2").get_self_href()
    shutil.rmtree(filled.root / "local-models" / "roofs-v2")
    filled.commit(Change(put=[make_item("roofs-v2", title="Changed")]))
    assert read(Path(filled.href("local-models", "roofs-v2")))["properties"]["title"] == "Changed"
    assert not (filled.root / "local-models" / "roofs-v2").exists()


# Other tools


def test_items_that_pystac_added_are_found(filled: LocalCatalog, make_item: MakeItem) -> None:
    assert ids(filled) == ["roofs-v1", "roofs-v2"]
    plain = pystac.Catalog.from_file(str(filled.root / "catalog.json"))
    plain.get_child("local-models").add_item(make_item("huts-v1"))
    plain.normalize_and_save(str(filled.root), pystac.CatalogType.SELF_CONTAINED)
    assert ids(filled) == ["huts-v1", "roofs-v1", "roofs-v2"]
    assert ids(filled, name="huts") == ["huts-v1"]


def test_an_item_edited_alone_is_noticed_when_it_is_read(filled: LocalCatalog) -> None:
    path = Path(filled.href("local-models", "roofs-v2"))
    path.write_text(json.dumps(read(path) | {"x:note": "by hand"}), encoding="utf-8")
    assert filled.get("local-models", "roofs-v2").extra_fields["x:note"] == "by hand"


def test_an_item_edited_alone_is_not_overlooked_by_a_commit(
    filled: LocalCatalog, make_item: MakeItem
) -> None:
    path = Path(filled.href("local-models", "roofs-v2"))
    document = read(path)
    document["properties"]["deprecated"] = True
    path.write_text(json.dumps(document), encoding="utf-8")
    filled.commit(Change(put=[make_item("roofs-v3")], expect={("local-models", "roofs"): None}))
    assert ids(filled, deprecated=False) == ["roofs-v3"]


def test_rebuild_notices_every_edit(filled: LocalCatalog) -> None:
    path = Path(filled.href("local-models", "roofs-v2"))
    document = read(path)
    document["properties"]["keywords"] = ["tree"]
    path.write_text(json.dumps(document), encoding="utf-8")
    filled.rebuild()
    assert ids(filled, keywords=["tree"]) == ["roofs-v2"]


def test_what_people_wrote_into_a_collection_stays(filled: LocalCatalog, make_item: MakeItem) -> None:
    path = filled.root / "local-models" / "collection.json"
    mine = {"title": "Our roofs", "license": "CC-BY-4.0", "providers": [{"name": "Us"}], "x:note": [1]}
    document = read(path) | mine
    document["summaries"]["x:own"] = ["kept"]
    document["links"].append({"rel": "about", "href": "https://example.org"})
    path.write_text(json.dumps(document), encoding="utf-8")
    filled.commit(Change(put=[make_item("huts-v1")]))

    written = read(path)
    assert {key: written[key] for key in mine} == mine
    assert written["summaries"]["x:own"] == ["kept"]
    assert {link["rel"] for link in written["links"]} == {"root", "parent", "about", "item"}
    assert filled.collection("local-models").title == "Our roofs"


def test_a_catalogue_of_another_tool_gets_our_collections(tmp_path: Path, make_item: MakeItem) -> None:
    other = pystac.Catalog("theirs", "Made elsewhere", title="Theirs")
    other.add_child(pystac.Catalog("scenes", "Scenes"))
    other.normalize_and_save(str(tmp_path / "catalog"), pystac.CatalogType.SELF_CONTAINED)
    catalog = LocalCatalog(tmp_path / "catalog")
    assert ids(catalog) == []
    catalog.commit(Change(put=[make_item("roofs-v1")]))

    plain = pystac.Catalog.from_file(str(tmp_path / "catalog" / "catalog.json"))
    assert plain.title == "Theirs"
    assert [child.id for child in plain.get_children()] == [
        "scenes",
        "base-models",
        "local-models",
        "datasets",
    ]


def test_files_that_cannot_be_read_are_all_named(filled: LocalCatalog) -> None:
    for number in (1, 2):
        Path(filled.href("local-models", f"roofs-v{number}")).write_text("{", encoding="utf-8")
    with pytest.raises(Corrupted, match=r"roofs-v1\.json.*roofs-v2\.json.*Put the files back"):
        filled.rebuild()


def test_a_document_that_is_no_item_is_named(filled: LocalCatalog) -> None:
    path = Path(filled.href("local-models", "roofs-v2"))
    path.write_text(json.dumps({"id": "roofs-v2", "type": "Feature"}), encoding="utf-8")
    with pytest.raises(Corrupted, match=r"roofs-v2\.json is not a STAC item"):
        filled.get("local-models", "roofs-v2")


@pytest.mark.parametrize("text", ["{", "[]", '{"links": [{}]}'])
@pytest.mark.parametrize("name", ["catalog.json", "local-models/collection.json"])
def test_a_broken_catalogue_file_is_named(
    filled: LocalCatalog, make_item: MakeItem, name: str, text: str
) -> None:
    (filled.root / name).write_text(text, encoding="utf-8")
    (filled.root / "datasets" / "collection.json").unlink()
    with pytest.raises(Corrupted, match=f"{name} is not a STAC c"):
        filled.commit(Change(put=[make_item("huts-v1")]))


# The index


def _delete(index: Path) -> None:
    shutil.rmtree(index)


def _overwrite(index: Path) -> None:
    for path in index.iterdir():
        path.write_bytes(b"no database at all" * 100)


def _cut(index: Path) -> None:
    for path in index.glob("*.sqlite"):
        path.write_bytes(path.read_bytes()[:5000])


def _empty(index: Path) -> None:
    for path in index.iterdir():
        path.write_bytes(b"")


@pytest.mark.parametrize("damage", [_delete, _overwrite, _cut, _empty])
@pytest.mark.parametrize("first", ["read", "write"])
def test_a_lost_or_damaged_index_is_made_again(
    filled: LocalCatalog, make_item: MakeItem, damage: Callable[[Path], None], first: str
) -> None:
    damage(filled.root / ".index")
    if first == "write":
        filled.commit(Change(put=[make_item("roofs-v2")], expect={("local-models", "roofs"): "roofs-v2"}))
    assert ids(filled, order="version") == ["roofs-v1", "roofs-v2"]
    assert filled.get("base-models", "ramp-v1").id == "ramp-v1"


# The lock


def test_who_waits_too_long_learns_for_whom(filled: LocalCatalog, make_item: MakeItem) -> None:
    impatient = LocalCatalog(filled.root, timeout_s=0.05)
    with (
        held(filled.root, "a change of 7 items", 1),
        pytest.raises(
            Unavailable, match=r"busy: process \d+ on .* has been at a change of 7 items since .*try again"
        ),
    ):
        impatient.commit(Change(put=[make_item("huts-v1")]))
    impatient.commit(Change(put=[make_item("huts-v1")]))


def test_reading_does_not_wait_for_a_writer(filled: LocalCatalog) -> None:
    with held(filled.root, "a long change", 1):
        (filled.root / ".journal" / "plan.json").touch()
        assert ids(filled) == ["roofs-v1", "roofs-v2"]


def test_a_reader_without_an_index_waits_for_the_writer(filled: LocalCatalog) -> None:
    shutil.rmtree(filled.root / ".index")
    found: list[list[str]] = []
    with held(filled.root, "a change", 1):
        reader = threading.Thread(target=lambda: found.append(ids(filled)))
        reader.start()
        time.sleep(0.1)
        assert found == []
    reader.join()
    assert found == [["roofs-v1", "roofs-v2"]]


@pytest.mark.shared
def test_collections_and_catalogue_follow_the_official_schemas(
    filled: LocalCatalog, shared_schemas: Path
) -> None:
    """Core rules from pystac's own copy of the schemas, those of extensions from the cache."""
    from pystac.validation import validate_dict

    validate_dict(read(filled.root / "catalog.json"))
    for name in ("base-models", "local-models", "datasets"):
        document = read(filled.root / name / "collection.json")
        assert document["summaries"]["keywords"] == ["building"]
        for uri in document["stac_extensions"]:
            checker = official._built(shared_schemas, uri).checker
            assert checker is not None
            assert list(checker.violations(document)) == []
        validate_dict({**document, "stac_extensions": []})
    assert document["stac_extensions"] == ["https://stac-extensions.github.io/label/v1.0.1/schema.json"]


@pytest.mark.shared
def test_collections_of_models_say_what_mlm_allows_there(filled: LocalCatalog, shared_schemas: Path) -> None:
    """Asset definitions pass MLM's own rules; its rule for summaries refuses every list."""
    address = f"{extensions.MLM}#/$defs/mlmAssetFields"
    checker = official._built(shared_schemas, address).checker
    assert checker is not None
    for name in ("base-models", "local-models"):
        document = read(filled.root / name / "collection.json")
        for definition in document["item_assets"].values():
            assert list(checker.violations(definition)) == []
        assert not {"mlm:input", "mlm:output", "mlm:artifact_type", "mlm:compile_method"} & set(
            document["summaries"]
        )


def test_connections_that_stay_open_see_what_others_write_and_a_new_index(
    tmp_path: Path, make_item: Callable[..., Item]
) -> None:
    asked, writer = LocalCatalog(tmp_path, stays_open=True), LocalCatalog(tmp_path)
    for number in (1, 2):
        writer.commit(Change(put=[make_item(f"roofs-v{number}")]))
        assert [item.id for item in asked.search("local-models")][-1] == f"roofs-v{number}"
        assert asked.get("local-models", f"roofs-v{number}").id == f"roofs-v{number}"
    shutil.rmtree(tmp_path / database.FOLDER)
    writer.commit(Change(put=[make_item("roofs-v3")]))
    assert asked.find(ItemSearch(["local-models"])).matched == 3
    with pytest.raises(Invalid):
        asked.find(ItemSearch(["local-models"], after="x"))
    assert asked.find(ItemSearch(["local-models"])).matched == 3


def test_threads_share_connections_that_stay_open(tmp_path: Path, make_item: Callable[..., Item]) -> None:
    asked = LocalCatalog(tmp_path, stays_open=True)
    asked.commit(Change(put=[make_item(f"roofs-v{number}") for number in range(1, 30)]))
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda n: asked.get("local-models", f"roofs-v{n % 29 + 1}").id, range(200))
    assert list(found) == [f"roofs-v{n % 29 + 1}" for n in range(200)]
