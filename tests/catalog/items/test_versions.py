"""Publishing versions, and finding them, on the real local catalogue."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pystac import Item

from fair_models.catalog.changes import edits, transitions
from fair_models.catalog.items import versions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Catalog, Change
from fair_models.errors import Conflict, InvalidItem, NotFound
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from tests.catalog.item_factory import base_item, dataset_item, local_item, raw, stored

RELATIONS = (edits.PREDECESSOR, edits.SUCCESSOR, edits.LATEST)


class Counting:
    """A catalogue that notes what each commit wrote."""

    def __init__(self, inner: Catalog) -> None:
        self._inner = inner
        self.commits: list[list[str]] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._inner, name)

    def commit(self, change: Change) -> None:
        self.commits.append(sorted(item.id for item in change.put))
        self._inner.commit(change)


@pytest.fixture
def roofs(tmp_path: Path) -> LocalCatalog:
    """An empty catalogue."""
    return LocalCatalog(tmp_path / "catalog")


def publish(catalog: Catalog, numbers: Sequence[int]) -> None:
    for number in numbers:
        transitions.publish(catalog, local_item(number))


def links(catalog: Catalog, number: int) -> dict[str, int | None]:
    """Which number each version link of a version leads to."""
    item = catalog.get(LOCAL_MODELS, f"banepa-roofs-v{number}")
    found = {}
    for link in item.links:
        if link.rel in RELATIONS:
            assert link.rel not in found
            target = next(
                n for n in range(1, 20) if catalog.href(LOCAL_MODELS, f"banepa-roofs-v{n}") == link.href
            )
            found[str(link.rel)] = target
    return found


def active(catalog: Catalog) -> list[str]:
    return [item.id for item in catalog.search(LOCAL_MODELS, name="banepa-roofs", deprecated=False)]


@pytest.mark.parametrize(
    ("item_id", "split"),
    [
        ("banepa-roofs-v2", ("banepa-roofs", 2)),
        ("banepa-roofs-v12", ("banepa-roofs", 12)),
        ("banepa-roofs", ("banepa-roofs", None)),
        ("roofs-v0", ("roofs-v0", None)),
        ("roofs-v2-v3", ("roofs-v2", 3)),
    ],
)
def test_an_id_splits_into_name_and_number(item_id: str, split: tuple[str, int | None]) -> None:
    assert versions.split_id(item_id) == split


def test_publishing_deprecates_the_version_before_and_links_both_ways(roofs: LocalCatalog) -> None:
    publish(roofs, [1])
    before = raw(roofs.get(LOCAL_MODELS, "banepa-roofs-v1"))
    publish(roofs, [2])
    first, second = roofs.search(LOCAL_MODELS, name="banepa-roofs", order="version")
    assert first.properties["deprecated"]
    assert not second.properties["deprecated"]
    assert links(roofs, 1) == {edits.SUCCESSOR: 2, edits.LATEST: 2}
    assert links(roofs, 2) == {edits.PREDECESSOR: 1, edits.LATEST: 2}
    after = raw(first)
    assert after["properties"] == {**before["properties"], "deprecated": True}
    assert after["assets"] == before["assets"]


def test_links_are_right_after_many_versions_and_each_publish_rewrites_as_little(roofs: LocalCatalog) -> None:
    catalog = Counting(roofs)
    publish(catalog, range(1, 9))
    assert active(roofs) == ["banepa-roofs-v8"]
    for number in range(1, 9):
        found = links(roofs, number)
        assert found.get(edits.PREDECESSOR) == (number - 1 or None)
        assert found.get(edits.SUCCESSOR) == (number + 1 if number < 8 else None)
        assert found.get(edits.LATEST) in {None, 8}
    assert links(roofs, 7)[edits.LATEST] == 8
    assert links(roofs, 8)[edits.LATEST] == 8
    assert [len(written) for written in catalog.commits] == [1, 2, 3, 3, 3, 3, 3, 3]


@pytest.mark.parametrize("order", [[1, 3, 2, 4, 5], [5, 4, 3, 2, 1], [2, 1, 3, 6, 4], [1, 10, 11, 2, 12, 13]])
def test_links_are_right_in_whatever_order_versions_are_published(
    order: list[int], roofs: LocalCatalog
) -> None:
    for count, number in enumerate(order, 1):
        publish(roofs, [number])
        assert active(roofs) == [f"banepa-roofs-v{number}"]
        known = sorted(order[:count])
        for position, each in enumerate(known):
            found = links(roofs, each)
            assert found.get(edits.PREDECESSOR) == (known[position - 1] if position else None)
            assert found.get(edits.SUCCESSOR) == (known[position + 1] if position + 1 < count else None)
            assert found.get(edits.LATEST) in {None, number}
        assert links(roofs, number)[edits.LATEST] == number


def test_publishing_after_all_were_archived_goes_on_counting(roofs: LocalCatalog) -> None:
    publish(roofs, [1, 2])
    archived = roofs.get(LOCAL_MODELS, "banepa-roofs-v2")
    archived.properties["deprecated"] = True
    roofs.commit(Change(put=[archived]))
    assert versions.current(roofs, LOCAL_MODELS, "banepa-roofs") is None
    assert versions.next_number(roofs, LOCAL_MODELS, "banepa-roofs") == 3
    publish(roofs, [3])
    assert links(roofs, 3) == {edits.PREDECESSOR: 2, edits.LATEST: 3}


def test_publishing_the_same_item_again_changes_nothing(roofs: LocalCatalog) -> None:
    catalog = Counting(roofs)
    publish(catalog, [1, 2])
    publish(catalog, [2, 1])
    assert len(catalog.commits) == 2
    assert active(roofs) == ["banepa-roofs-v2"]


def test_a_version_never_changes_its_content(roofs: LocalCatalog) -> None:
    publish(roofs, [1, 2])
    other = local_item(1, files={"checkpoint": stored("other.safetensors"), "model": stored("other.onnx")})
    with pytest.raises(Conflict, match="publish it as banepa-roofs-v3"):
        transitions.publish(roofs, other)
    assert active(roofs) == ["banepa-roofs-v2"]


def test_an_item_that_breaks_its_profile_is_not_published(roofs: LocalCatalog) -> None:
    item = base_item()
    item.properties["gsd"] = -1
    with pytest.raises(InvalidItem, match=r"properties\.gsd"):
        transitions.publish(roofs, item)
    assert list(roofs.search(BASE_MODELS)) == []


def test_somebody_who_was_faster_is_a_conflict_and_nothing_is_lost(roofs: LocalCatalog) -> None:
    publish(roofs, [1])

    class Raced(Counting):
        def commit(self, change: Change) -> None:
            transitions.publish(roofs, local_item(2))
            super().commit(change)

    with pytest.raises(Conflict):
        transitions.publish(Raced(roofs), local_item(3))
    assert active(roofs) == ["banepa-roofs-v2"]
    assert links(roofs, 1) == {edits.SUCCESSOR: 2, edits.LATEST: 2}


def test_an_item_given_to_publish_is_left_as_it_is(roofs: LocalCatalog) -> None:
    item = local_item()
    before = raw(item)
    transitions.publish(roofs, item)
    assert raw(item) == before


@pytest.fixture
def filled(roofs: LocalCatalog) -> LocalCatalog:
    publish(roofs, [1, 2])
    transitions.publish(roofs, base_item())
    transitions.publish(roofs, dataset_item())
    return roofs


def test_a_bare_name_means_the_current_version_and_an_id_the_exact_one(filled: LocalCatalog) -> None:
    assert versions.resolve(filled, LOCAL_MODELS, "banepa-roofs").id == "banepa-roofs-v2"
    assert versions.resolve(filled, LOCAL_MODELS, "banepa-roofs-v1").id == "banepa-roofs-v1"
    assert versions.resolve(filled, (LOCAL_MODELS, BASE_MODELS), "roofs-unet").id == "roofs-unet-v1"


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("banepa-rofs", "did you mean banepa-roofs"),
        ("banepa-roofs-v9", "of banepa-roofs there are banepa-roofs-v1, banepa-roofs-v2"),
        ("something-else", "There is no something-else in local-models or base-models"),
    ],
)
def test_what_is_not_there_is_refused_with_the_nearest(
    reference: str, said: str, filled: LocalCatalog
) -> None:
    with pytest.raises(NotFound, match=said):
        versions.resolve(filled, (LOCAL_MODELS, BASE_MODELS), reference)


def test_a_name_without_an_active_version_says_so(filled: LocalCatalog) -> None:
    item = filled.get(DATASETS, "banepa-buildings-v1")
    item.properties["deprecated"] = True
    filled.commit(Change(put=[item]))
    with pytest.raises(NotFound, match="all are deprecated; name one exactly: banepa-buildings-v1"):
        versions.resolve(filled, DATASETS, "banepa-buildings")


def test_the_next_number_of_a_new_name_is_one(filled: LocalCatalog) -> None:
    assert versions.next_number(filled, LOCAL_MODELS, "banepa-roofs") == 3
    assert versions.next_number(filled, LOCAL_MODELS, "new-name") == 1


def test_what_is_published_is_valid_as_it_lies_on_disk(filled: LocalCatalog) -> None:
    import json

    from fair_models.catalog import validation

    for path in filled.root.glob("*/*/*.json"):
        assert validation.own_problems(json.loads(path.read_text())) == []


def test_plain_pystac_reads_what_is_published(filled: LocalCatalog) -> None:
    from pystac import Catalog as PystacCatalog

    catalog = PystacCatalog.from_file(str(filled.root / "catalog.json"))
    found: list[Item] = list(catalog.get_items(recursive=True))
    assert {item.id for item in found} == {
        "banepa-roofs-v1",
        "banepa-roofs-v2",
        "roofs-unet-v1",
        "banepa-buildings-v1",
    }


def clashing(catalog: LocalCatalog) -> list[Item]:
    """A base model and a local model of one name and number, as older versions of the software let in."""
    made = []
    for collection in (BASE_MODELS, LOCAL_MODELS):
        item = local_item(1)
        item.collection_id = collection
        item.assets["model"].extra_fields["file:checksum"] = "1220" + f"{len(made)}" * 64
        made.append(item)
    catalog.commit(Change(put=made, as_found=True))
    return [catalog.get(item.collection_id, item.id) for item in made]


@pytest.mark.parametrize("reference", ["banepa-roofs", "banepa-roofs-v1"])
def test_a_reference_that_means_two_models_is_refused_with_both(roofs: LocalCatalog, reference: str) -> None:
    clashing(roofs)
    for places in ([BASE_MODELS, LOCAL_MODELS], [LOCAL_MODELS, BASE_MODELS]):
        with pytest.raises(Conflict) as refused:
            versions.resolve(roofs, places, reference)
        for collection in places:
            assert f"{collection}/banepa-roofs-v1" in str(refused.value)
            assert versions.resolve(roofs, places, f"{collection}/{reference}").collection_id == collection


def test_a_reference_to_another_collection_is_not_found(roofs: LocalCatalog) -> None:
    publish(roofs, [1])
    with pytest.raises(NotFound, match="here one of datasets is meant"):
        versions.resolve(roofs, DATASETS, "local-models/banepa-roofs")
    with pytest.raises(NotFound, match="There is no banepa-roofs in base-models"):
        versions.resolve(roofs, [LOCAL_MODELS, BASE_MODELS], "base-models/banepa-roofs")


def test_the_model_of_a_prediction_is_found_by_digest_else_by_its_address(roofs: LocalCatalog) -> None:
    for item in clashing(roofs):
        checksum = item.assets["model"].extra_fields["file:checksum"]
        by_digest = versions.of_prediction(roofs, item.id, "https://elsewhere/x.json", checksum)
        by_address = versions.of_prediction(roofs, item.id, str(item.get_self_href()), "1220" + "f" * 64)
        assert by_digest.collection_id == by_address.collection_id == item.collection_id
    with pytest.raises(Conflict, match="neither has the network"):
        versions.of_prediction(roofs, "banepa-roofs-v1", "unregistered", "1220" + "f" * 64)
    with pytest.raises(NotFound, match="banepa-roofs"):
        versions.of_prediction(roofs, "banepa-roof-v1", "", "")
