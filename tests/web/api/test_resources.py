"""Models and datasets over HTTP: finding, reading, comparing, counting."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fair_models.catalog.changes.transitions import publish
from fair_models.catalog.protocol import Change
from tests.catalog.small_items import small_item
from tests.web.api.sites import CARD, Site, local_model, problem


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["id"] for each in answer.json()["found"]]


FOUND: dict[str, list[str]] = {
    "": ["roofs-unet-v1", "banepa-roofs-v2"],
    "kind=local-model": ["banepa-roofs-v2"],
    "kind=local-model&deprecated=any": ["banepa-roofs-v1", "banepa-roofs-v2"],
    "deprecated=true": ["banepa-roofs-v1"],
    "q=BANEPA": ["banepa-roofs-v2"],
    "q=banepa+building": ["banepa-roofs-v2"],
    "q=banepa+nowhere": [],
    "q=%25": [],
    "q=_": [],
    "q='": [],
    "task=semantic-segmentation": ["roofs-unet-v1", "banepa-roofs-v2"],
    "task=detection&task=semantic-segmentation": ["roofs-unet-v1", "banepa-roofs-v2"],
    "task=detection": [],
    "keyword=building&keyword=polygon": ["roofs-unet-v1", "banepa-roofs-v2"],
    "keyword=building&keyword=tree": [],
    "tag=nepal": [],
    "owner=ana": [],
    "framework=pytorch": ["roofs-unet-v1", "banepa-roofs-v2"],
    "framework=keras": [],
    "metric=fair:building_iou": ["banepa-roofs-v2"],
    "metric=fair:building_iou&at_least=0.74&at_most=0.74": ["banepa-roofs-v2"],
    "metric=fair:building_iou&at_least=0.75": [],
    "where=trained": ["banepa-roofs-v2"],
    "where=name+contains+unet": ["roofs-unet-v1"],
    "where=%22fair:building_iou%22+%3E+0.5&where=NOT+pinned&deprecated=any": [
        "banepa-roofs-v1",
        "banepa-roofs-v2",
    ],
    "created_after=2026-11-21T08:30:00Z": ["roofs-unet-v1", "banepa-roofs-v2"],
    "created_after=2026-11-21T08:30:01Z": [],
    "created_before=2026-11-21T10:00:00%2B02:00": [],
    "created_before=2026-11-21T08:30:01Z": ["roofs-unet-v1", "banepa-roofs-v2"],
    "order=-fair:building_iou&deprecated=any": ["banepa-roofs-v1", "banepa-roofs-v2", "roofs-unet-v1"],
    "order=id": ["roofs-unet-v1", "banepa-roofs-v2"],
}


def test_models_are_found_by_each_condition(site: Site) -> None:
    assert {asked: ids(site.http.get(f"/api/models?{asked}")) for asked in FOUND} == FOUND


def test_datasets_are_found_by_the_same_conditions(site: Site) -> None:
    for asked in ("", "q=Banepa", "task=segmentation", "keyword=building", "where=gsd+%3C+0.2"):
        assert ids(site.http.get(f"/api/datasets?{asked}")) == ["banepa-buildings-v1"]
    assert ids(site.http.get("/api/datasets?task=detection")) == []


@pytest.mark.parametrize("order", ["name", "id", "newest", "fair:building_iou"])
def test_pages_by_cursor_and_by_number_are_the_same(site: Site, order: str) -> None:
    whole = ids(site.http.get("/api/models", params={"order": order, "deprecated": "any"}))
    by_link, address = (
        [],
        f"/api/models?order={order}&deprecated=any&limit=1&where=id+LIKE+'%25'&where=number%3E0",
    )
    while address:
        answer = site.http.get(address)
        by_link += ids(answer)
        address = str(answer.links["next"]["url"]) if "next" in answer.links else ""
        assert ("next" in answer.links) == (answer.json()["next"] is not None)
    by_number = [
        each
        for skip in range(len(whole) + 1)
        for each in ids(
            site.http.get(
                "/api/models", params={"order": order, "deprecated": "any", "limit": 1, "skip": skip}
            )
        )
    ]
    assert by_link == by_number == whole
    assert len(whole) == 3


def test_a_name_is_its_current_version_and_an_id_an_exact_one(site: Site) -> None:
    current = site.http.get("/api/models/banepa-roofs").json()
    assert current["id"] == "banepa-roofs-v2"
    assert current == site.http.get("/api/models/banepa-roofs-v2").json()
    assert current == site.http.get("/api/models/banepa-roofs/versions/2").json()
    assert current == site.http.get(current["links"]["self"]).json()
    assert (current["base_model"], current["dataset"]) == ("roofs-unet-v1", "banepa-buildings-v1")
    assert current["metric"]["value"] == 0.74
    former = site.http.get("/api/models/banepa-roofs-v1").json()
    assert former["deprecated"]
    assert site.http.get("/api/models/roofs-unet").json()["kind"] == "base-model"
    assert site.http.get("/api/datasets/banepa-buildings").json()["chips"] == 48


def test_versions_are_listed_by_number(site: Site) -> None:
    found = site.http.get("/api/models/banepa-roofs/versions").json()
    assert [(each["version"], each["deprecated"]) for each in found] == [(1, True), (2, False)]
    assert [each["id"] for each in site.http.get("/api/datasets/banepa-buildings/versions").json()] == [
        "banepa-buildings-v1"
    ]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/models/roofs", "no model roofs"),
        ("/api/models/banepa-roofs-v9", "banepa-roofs-v1, banepa-roofs-v2"),
        ("/api/models/banepa-roofs/versions/9", "banepa-roofs-v1, banepa-roofs-v2"),
        ("/api/models/banepa-buildings", "no model"),
        ("/api/datasets/banepa-roofs", "no dataset"),
        ("/api/models/nothing/versions", "no model"),
        ("/api/compare?item=banepa-roofs&item=nothing", "nothing"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(site: Site, path: str, words: str) -> None:
    told = problem(site.http.get(path))
    assert told["status"] == 404
    assert words in told["detail"]


def test_metrics_have_intervals_and_classes(own_site: Site) -> None:
    base = own_site.registry.catalog.get("base-models", "roofs-unet-v1")
    data = own_site.registry.catalog.get("datasets", "banepa-buildings-v1")
    item = local_model(
        own_site.registry,
        base,
        data,
        3,
        intervals={"fair:building_iou": (0.7, 0.8)},
        classes=[
            {"class": "building", "train": 9, "held_out": 3, "iou": 0.7, "iou_low": 0.6, "iou_high": 0.8}
        ],
        confusion={"building": {"building": 3, "background": 1}},
    )
    publish(own_site.registry.catalog, item)
    told = own_site.http.get("/api/models/banepa-roofs/metrics").json()
    assert told["id"] == "banepa-roofs-v3"
    (metric,) = told["metrics"]
    assert (metric["value"], metric["low"], metric["high"], metric["baseline"]) == (0.74, 0.7, 0.8, 0.377)
    (row,) = told["classes"]
    assert (row["label"], row["train"], row["held_out"]) == ("building", 9, 3)
    assert row["measures"]["iou"] == {"value": 0.7, "low": 0.6, "high": 0.8, "baseline": None}
    assert told["confusion"] == {"building": {"building": 3, "background": 1}}


def test_files_have_sizes_digests_and_addresses_but_no_places(site: Site) -> None:
    for path in ("/api/models/banepa-roofs/files", "/api/datasets/banepa-buildings/files"):
        told = site.http.get(path).json()
        assert told["size"] == sum(each["size"] or 0 for each in told["files"]) > 0
        for each in told["files"]:
            assert (each["href"] is None) == each["key"].endswith("-runtime")
            if each["href"]:
                assert each["href"].startswith(f"{site.http.base_url}/api/collections/")
                assert len(each["sha256"]) == 64


def test_no_answer_names_a_path_a_bucket_or_a_database(site: Site) -> None:
    place = site.registry.settings
    hidden = [str(place.home), place.store or "s3://", "postgresql://", "/data/"]
    for path in (
        "/api/models?deprecated=any",
        "/api/models/banepa-roofs",
        "/api/models/banepa-roofs/lineage",
        "/api/models/banepa-roofs/files",
        "/api/models/banepa-roofs/card",
        "/api/datasets",
        "/api/datasets/banepa-buildings",
        "/api/datasets/banepa-buildings/lineage",
        "/api/compare?item=banepa-roofs-v1&item=banepa-roofs-v2",
        "/api/statistics",
    ):
        text = site.http.get(path).text
        assert not [each for each in hidden if each in text], path


def test_lineage_goes_both_ways(site: Site) -> None:
    up = site.http.get("/api/models/banepa-roofs/lineage").json()["derived_from"]
    assert [(each["id"], each["depth"]) for each in up] == [("roofs-unet-v1", 1), ("banepa-buildings-v1", 1)]
    for each in up:
        assert site.http.get(each["href"]).json()["id"] == each["id"]
    for path in ("/api/models/roofs-unet/lineage", "/api/datasets/banepa-buildings/lineage"):
        down = site.http.get(path).json()["derivatives"]
        assert {each["id"]: each["deprecated"] for each in down} == {
            "banepa-roofs-v1": True,
            "banepa-roofs-v2": False,
        }


def test_cards_are_markdown(site: Site) -> None:
    own = site.http.get("/api/models/roofs-unet/card")
    assert own.headers["content-type"].startswith("text/markdown")
    assert own.content == CARD
    made = site.http.get("/api/models/banepa-roofs/card").text
    assert made.startswith("# Roofs of Banepa")
    assert "0.74" in made
    assert "48" in site.http.get("/api/datasets/banepa-buildings/card").text


def test_recorded_metrics_are_compared(site: Site) -> None:
    asked = {"item": ["banepa-roofs-v1", "banepa-roofs", "roofs-unet"]}
    told = site.http.get("/api/compare", params=asked).json()
    assert [each["id"] for each in told["sides"]] == ["banepa-roofs-v1", "banepa-roofs-v2", "roofs-unet-v1"]
    assert told["best"] == {"fair:building_iou": "banepa-roofs-v2"}
    assert not told["same_samples"]
    assert site.http.get("/api/compare", params={"item": asked["item"][:2]}).json()["same_samples"]
    assert problem(site.http.get("/api/compare?item=banepa-roofs"))["status"] == 422


def test_statistics_count_names_versions_and_bytes(site: Site) -> None:
    told = site.http.get("/api/statistics").json()
    assert (told["models"], told["families"], told["datasets"]) == (2, 1, 1)
    assert told["versions"] == {"base-models": 1, "local-models": 2, "datasets": 1}
    files = {
        each["sha256"]: each["size"]
        for path in (
            "models/roofs-unet",
            "models/banepa-roofs-v1",
            "models/banepa-roofs",
            "datasets/banepa-buildings",
        )
        for each in site.http.get(f"/api/{path}/files").json()["files"]
        if each["sha256"]
    }
    assert (told["bytes"], told["files"]) == (sum(files.values()), len(files))


def test_items_of_others_with_few_or_odd_fields_are_shown_as_far_as_they_go(own_site: Site) -> None:
    odd: dict[str, Any] = {
        "title": 5,
        "keywords": "roof",
        "license": None,
        "created": 12,
        "fair:tags": [1, "a"],
    }
    own_site.registry.catalog.commit(
        Change(
            put=[
                small_item("odd-v1", **odd),
                small_item("odds-v1", "datasets", **{**odd, "label:classes": None}),
            ]
        )
    )
    for kind, name in (("models", "odd"), ("datasets", "odds")):
        assert own_site.http.get(f"/api/{kind}/{name}").json()["tags"] == ["a"]
        for part in ("files", "lineage", "card", "versions"):
            assert own_site.http.get(f"/api/{kind}/{name}/{part}").status_code == 200
        assert f"{name}-v1" in ids(own_site.http.get(f"/api/{kind}"))
    assert own_site.http.get("/api/models/odd/metrics").json()["metrics"] == []
    assert own_site.http.get("/api/statistics").json()["models"] == 3
