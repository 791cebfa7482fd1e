"""Both layers of validation, and the words in which they refuse."""

from __future__ import annotations

import math
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from fair_models.catalog import validation as profiles
from fair_models.catalog.schemas import cache, extensions
from fair_models.errors import InvalidItem
from fair_models.types import Json
from tests.catalog.item_factory import base_item, changed, dataset_item, local_item, raw, without

P = "properties"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty cache, and a network that answers nobody."""
    monkeypatch.setenv("FAIR_SCHEMA_CACHE", str(tmp_path / "schemas"))
    monkeypatch.setenv("FAIR_OFFICIAL_SCHEMAS", "when-available")

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def official(monkeypatch: pytest.MonkeyPatch, shared_schemas: Path) -> Path:
    """The official schemas, all of them needed."""
    monkeypatch.setenv("FAIR_SCHEMA_CACHE", str(shared_schemas))
    monkeypatch.setenv("FAIR_OFFICIAL_SCHEMAS", "required")
    return shared_schemas


MADE = {"base model": base_item, "local model": local_item, "dataset": dataset_item}


@pytest.mark.parametrize("kind", MADE)
def test_what_the_builders_make_is_valid_and_says_what_was_not_checked(kind: str) -> None:
    validation = profiles.validate(raw(MADE[kind]()))
    assert validation.warnings == []
    assert extensions.VERSION in validation.unchecked


@pytest.mark.shared
@pytest.mark.parametrize("kind", MADE)
def test_what_the_builders_make_fulfils_every_official_schema(kind: str, official: Path) -> None:
    assert profiles.validate(raw(MADE[kind]())) == profiles.Validation()


@pytest.mark.shared
def test_a_dataset_with_a_span_of_time_fulfils_every_official_schema(official: Path) -> None:
    from datetime import UTC, datetime

    item = raw(dataset_item(start=datetime(2022, 1, 1, tzinfo=UTC), end=datetime(2022, 2, 1, tzinfo=UTC)))
    assert item[P]["datetime"] is None
    profiles.validate(item)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("field", "value", "part"),
    [
        ("bands", None, "mlm"),
        ("mlm:accelerator", "abacus", "properties.mlm:accelerator: is 'abacus'"),
        ("mlm:nonsense", 1, "mlm:nonsense"),
        ("label:type", "vector", ""),
    ],
)
def test_the_official_schemas_are_really_asked(field: str, value: Any, part: str, official: Path) -> None:
    item = raw(base_item())
    broken = changed(item, [P, field], value) if value is not None else without(item, P, field)
    found = profiles.problems(broken)
    assert bool(found) == bool(part)
    assert part in " ".join(found)


@pytest.mark.shared
def test_raw_json_is_checked_where_pystac_would_mend_it(official: Path) -> None:
    assert any("datetime" in reason for reason in profiles.problems(without(raw(base_item()), P, "datetime")))


BROKEN_MODELS: list[tuple[list[str | int], Any, str]] = [
    (["id"], "roofs-unet-v2", "properties.version: is '1', the id roofs-unet-v2 says '2'"),
    (["id"], "roofs", "id: is 'roofs'"),
    (["stac_version"], "1.0.0", "should be '1.1.0'"),
    (["bbox"], [10, 50, -10, 60], "bbox"),
    ([P, "version"], 1, "properties.version: is 1, should be text"),
    ([P, "deprecated"], 0, "properties.deprecated: is 0, should be true or false"),
    ([P, "created"], "yesterday", "properties.created: is 'yesterday'"),
    ([P, "title"], "../../etc/passwd", "properties.title"),
    ([P, "license"], "do what you want!", "properties.license"),
    ([P, "gsd"], 0, "properties.gsd: is 0, should be more than 0"),
    ([P, "gsd"], math.nan, "properties.gsd: is nan, should be a finite number"),
    ([P, "mlm:total_parameters"], True, "properties.mlm:total_parameters: is true, should be a whole number"),
    ([P, "fair:sample_size_px"], True, "properties.fair:sample_size_px: is true"),
    ([P, "fair:sample_size_px"], 256.5, "should be a whole number"),
    ([P, "fair:resampling"], "magic", "should be one of 'average', 'bilinear', 'nearest'"),
    ([P, "mlm:name"], "roofs", "properties.mlm:name: is 'roofs', the id roofs-unet-v1 says 'roofs-unet'"),
    ([P, "mlm:tasks"], ["semantic-segmentaton"], "did you mean semantic-segmentation?"),
    ([P, "keywords"], ["semantic-segmentation"], "needs at least one feature"),
    ([P, "keywords"], ["building"], "needs exactly one task"),
    ([P, "keywords"], ["building", "bilding", "semantic-segmentation"], "did you mean building?"),
    ([P, "keywords"], ["building", "detection", "semantic-segmentation"], "needs exactly one task"),
    (
        [P, "keywords"],
        ["building", "detection"],
        "has the task detection, mlm:tasks says semantic-segmentation",
    ),
    ([P, "keywords"], ["building", "semantic-segmentation", "point"], "polygons or lines, not points"),
    ([P, "keywords"], ["building", "semantic-segmentation", "polygon", "line"], "one geometry word only"),
    ([P, "mlm:input", 0, "bands"], ["red", "green"], "has 3 bands, 2 are named"),
    ([P, "mlm:input", 0, "input", "shape"], [-1, 3, 512, 512], "fair:sample_size_px is 256"),
    ([P, "mlm:input", 0, "input", "dim_order"], ["batch", "height", "width", "bands"], "dim_order"),
    ([P, "mlm:input", 0, "pre_processing_function", "expression"], "rm -rf /", "module:function"),
    (
        [P, "mlm:input", 0, "pre_processing_function"],
        None,
        "pre_processing_function: is null, should be an object",
    ),
    ([P, "mlm:output", 0, "result", "shape"], [-1, 5, -1, -1], "should be 2, the number of classes"),
    ([P, "mlm:output", 0, "tasks"], ["object-detection"], "mlm:tasks only semantic-segmentation"),
    (
        [P, "mlm:output", 0, "classification:classes", 1, "name"],
        "background",
        "holds the name background twice",
    ),
    ([P, "mlm:output", 0, "classification:classes", 1, "value"], 0, "holds the value 0 twice"),
    ([P, "mlm:output", 0, "classification:classes", 1, "value"], 3, "should count up from 0"),
    ([P, "mlm:hyperparameters", "training.epochs"], 0, "training.epochs is 0, should be at least 1"),
    (
        [P, "mlm:hyperparameters", "training.epochs"],
        True,
        "training.epochs is True, should be a whole number",
    ),
    ([P, "mlm:hyperparameters", "training.loss"], "bce", "should be one of dice, focal"),
    ([P, "mlm:hyperparameters", "training.secret"], 1, "has a value but no entry"),
    ([P, "mlm:hyperparameters", "training.learning_rate"], math.inf, "should be a finite number"),
    (
        [P, "fair:hyperparameters_spec", 0, "default"],
        0,
        "training.epochs is 0, should be at least 1 (its default)",
    ),
    ([P, "fair:hyperparameters_spec", 0, "min"], 900, "min 900 above max 500"),
    (
        [P, "fair:hyperparameters_spec", 0, "type"],
        "integer",
        "should be one of 'int', 'float', 'str', 'bool'",
    ),
    ([P, "fair:hyperparameters_spec", 1, "key"], "training.epochs", "is specified twice"),
    ([P, "fair:metrics_spec"], [], "should have at least 1"),
    (["assets", "model", "file:checksum"], "abc", "assets.model.file:checksum: is 'abc'"),
    (["assets", "model", "file:checksum"], "1220" + "AB" * 32, "sha-256 multihash"),
    (["assets", "model", "file:size"], True, "assets.model.file:size: is true, should be a whole number"),
    (["assets", "checkpoint", "roles"], ["data"], "no asset has the role mlm:weights"),
    (["assets", "training-runtime", "roles"], ["x"], "no asset has the role mlm:training-runtime"),
    ([P, "license"], "none", "properties.license: is 'none', which is no SPDX identifier"),
    ([P, "license"], "MIT AND TODO", "no SPDX identifier"),
    ([P, "license"], "MIT\n", "properties.license"),
    ([P, "title"], "Roofs\n", "properties.title"),
    ([P, "title"], "\u202eRoofs", "without slashes and characters that cannot be seen"),
    ([P, "description"], "Ro\u200bofs", "cannot be seen"),
    ([P, "mlm:name"], "r\u043eofs-unet", "properties.mlm:name"),  # a Cyrillic o
    (["id"], "roofs-unet-v1\n", "id: is 'roofs-unet-v1"),
    ([P, "mlm:output", 0, "classification:classes", 1, "name"], "b\u0443ilding", "letters, digits"),
]


@pytest.mark.parametrize(("path", "value", "said"), BROKEN_MODELS)
def test_a_broken_base_model_is_refused_in_words(path: list[str | int], value: Any, said: str) -> None:
    found = profiles.own_problems(changed(raw(base_item()), path, value))
    assert said in "; ".join(found)


@pytest.mark.parametrize(
    "path",
    [
        *((P, name) for name in ("gsd", "license", "keywords", "version", "deprecated", "created", "title")),
        *(
            (P, f"mlm:{name}")
            for name in ("name", "tasks", "input", "output", "hyperparameters", "framework")
        ),
        *(
            (P, f"fair:{name}")
            for name in ("metrics_spec", "hyperparameters_spec", "resampling", "sample_size_px")
        ),
        *(
            ("assets", key)
            for key in ("checkpoint", "model", "source-code", "training-runtime", "inference-runtime")
        ),
        ("assets", "model", "file:checksum"),
        ("assets", "checkpoint", "file:size"),
        ("assets", "source-code", "mlm:entrypoint"),
        ("geometry",),
        ("collection",),
    ],
)
def test_nothing_that_the_system_relies_on_may_be_missing_from_a_model(path: tuple[str, ...]) -> None:
    document = without(raw(base_item()), *path)
    if path == (
        "assets",
        "model",
    ):  # the checkpoint also is a model, so that its role alone does not betray it
        assert profiles.own_problems(document) == [
            "assets: no asset with the role mlm:model is an ONNX file; add it (key model)"
        ]
    else:
        assert profiles.own_problems(document)


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ([P, "fair:building_iou"], "good", "should be the metric's value"),
        ([P, "fair:base_model_id"], "roofs-unet", "a name and a version"),
        ([P, "fair:base_model_id"], "other-v1", "no derived_from leads to other-v1"),
        ([P, "fair:training_seconds"], -1, "should be at least 0"),
        ([P, "fair:held_out_count"], 0, "should be at least 1"),
        ([P, "fair:baseline"], {"name": "guess"}, "lacks fair:building_iou"),
        ([P, "fair:split_spec", "train"], 0, "properties.fair:split_spec.train"),
        ([P, "fair:zenml", "model_version"], True, "should be a whole number"),
        (["links"], [], "needs two links derived_from"),
    ],
)
def test_a_broken_local_model_is_refused_in_words(path: list[str | int], value: Any, said: str) -> None:
    assert said in "; ".join(profiles.own_problems(changed(raw(local_item()), path, value)))


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ([P, "fair:chip_count"], 0, "fair:chip_count: is 0"),
        ([P, "fair:chip_count"], 50, "has 48 chips in train, held_out and left_out, fair:chip_count is 50"),
        ([P, "fair:class_counts", "train"], {"road": 3}, "counts building, road, label:classes has building"),
        ([P, "label:classes", 0, "classes"], [], "should have at least 1"),
        ([P, "label:tasks"], ["guessing"], "properties.label:tasks[0]"),
        ([P, "gsd"], None, "properties.gsd: is null, should be a number"),
        ([P, "providers"], [], "properties.providers"),
        ([P, "keywords"], ["polygon"], "needs at least one feature"),
        (
            ["assets", "chips"],
            {"href": "a.zip", "roles": ["data"]},
            "no asset with the role data names its bands",
        ),
        (["assets", "split", "roles"], ["x"], "no asset has the role split"),
    ],
)
def test_a_broken_dataset_is_refused_in_words(path: list[str | int], value: Any, said: str) -> None:
    assert said in "; ".join(profiles.own_problems(changed(raw(dataset_item()), path, value)))


def test_all_reasons_are_listed_at_once() -> None:
    item = changed(changed(raw(base_item()), [P, "gsd"], -1), [P, "version"], "one")
    item = changed(item, ["assets", "model", "file:size"], None)
    with pytest.raises(InvalidItem) as caught:
        profiles.validate(item)
    assert {reason.split(":")[0] for reason in caught.value.reasons} >= {
        "properties.gsd",
        "properties.version",
    }
    assert any("assets.model" in reason for reason in caught.value.reasons)
    assert len(set(caught.value.reasons)) == len(caught.value.reasons)


@pytest.mark.parametrize("nonsense", [{}, {"id": 3}, {"collection": "shoes"}, {"collection": ["datasets"]}])
@pytest.mark.parametrize("collection", [None, "base-models", "local-models", "datasets"])
def test_nonsense_is_refused_and_breaks_nothing(nonsense: Json, collection: str | None) -> None:
    document = {**({"collection": collection} if collection else {}), **nonsense}
    assert profiles.problems(document)
    assert profiles.problems(
        {**document, P: None, "assets": [], "links": {}, "stac_extensions": 5, "bbox": "x"}
    )


def test_further_fields_of_others_are_welcome() -> None:
    item = changed(raw(base_item()), [P, "fair:category"], "buildings")
    item["assets"]["thumbnail"] = {"href": "https://example.org/t.png", "roles": ["thumbnail"]}
    assert profiles.validate(item).warnings == []


def test_what_is_weak_is_a_warning() -> None:
    item = raw(base_item())
    item["assets"]["training-runtime"]["href"] = "ghcr.io/org/roofs:latest"
    item["assets"]["inference-runtime"]["href"] = f"ghcr.io/org/roofs@sha256:{'ab' * 32}"
    item["assets"]["model"] = {**item["assets"]["model"], "href": "https://example.org/m.onnx"}
    del item["assets"]["model"]["file:checksum"]
    warnings = profiles.validate(item).warnings
    assert len(warnings) == 2
    assert "ghcr.io/org/roofs:latest may change" in " ".join(warnings)
    assert "https://example.org/m.onnx has no file:checksum" in " ".join(warnings)


FOREIGN = "https://example.org/fair/v1.0.0/schema.json"


def test_a_required_schema_that_cannot_be_had_refuses_the_item_and_says_how_to_fill_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FAIR_OFFICIAL_SCHEMAS", "required")
    item = raw(base_item())
    with pytest.raises(InvalidItem, match="neither cached nor reachable") as caught:
        profiles.validate(item)
    assert str(tmp_path / "schemas/stac-extensions.github.io/file/v2.1.0/schema.json") in str(caught.value)


@pytest.mark.shared
def test_an_extension_may_be_allowed_by_name(official: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = raw(base_item())
    item["stac_extensions"].append(FOREIGN)
    assert FOREIGN in profiles.problems(item)[0]
    assert profiles.validate(item, allow_unchecked=[FOREIGN]).unchecked == [FOREIGN]
    monkeypatch.setenv("FAIR_ALLOWED_EXTENSIONS", f'["{FOREIGN}"]')
    assert profiles.validate(item).unchecked == [FOREIGN]


@pytest.mark.shared
def test_a_schema_that_refers_to_an_absent_one_still_checks_the_rest(
    shared_schemas: Path, tmp_path: Path
) -> None:
    place = "stac-extensions.github.io/mlm/v1.5.1"
    shutil.copytree(shared_schemas / place, tmp_path / "schemas" / place)
    unchecked = profiles.validate(raw(base_item())).unchecked
    assert "https://stac-extensions.github.io/raster/v1.1.0/schema.json" in unchecked
    assert extensions.MLM not in unchecked
    assert "abacus" in profiles.problems(changed(raw(base_item()), [P, "mlm:accelerator"], "abacus"))[0]


@pytest.mark.shared
def test_a_schema_counts_as_soon_as_it_is_cached(shared_schemas: Path, tmp_path: Path) -> None:
    item = raw(base_item())
    assert extensions.VERSION in profiles.validate(item).unchecked
    place = "stac-extensions.github.io/version/v1.2.0"
    shutil.copytree(shared_schemas / place, tmp_path / "schemas" / place)
    assert extensions.VERSION not in profiles.validate(item).unchecked


def test_a_host_that_did_not_answer_is_not_asked_again_by_another_process(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def fail(address: str) -> bytes:
        asked.append(address)
        raise OSError("no network")

    monkeypatch.setattr(cache, "_download", fail)
    assert cache.SchemaCache(tmp_path).load(extensions.MLM) is None
    assert cache.SchemaCache(tmp_path).load(extensions.FILE) is None  # as a process of its own would
    assert asked == [extensions.MLM]

    long_ago = {"stac-extensions.github.io": time.time() - 2 * cache.RETRY_AFTER_S}
    (tmp_path / ".not-reachable.json").write_bytes(orjson.dumps(long_ago))
    assert cache.SchemaCache(tmp_path).load(extensions.FILE) is None
    assert asked == [extensions.MLM, extensions.FILE]


def test_a_fetched_schema_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "_download", lambda _: b'{"type": "object"}')
    assert cache.SchemaCache(tmp_path).load(FOREIGN) == {"type": "object"}
    assert (tmp_path / "example.org/fair/v1.0.0/schema.json").read_bytes() == b'{"type": "object"}'


@pytest.mark.parametrize("content", [b"<html>log in</html>", b"[]", b'{"half": '])
def test_what_is_no_schema_is_not_kept(
    content: bytes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(cache, "_download", lambda _: content)
    assert cache.SchemaCache(tmp_path).load(FOREIGN) is None
    assert not (tmp_path / "example.org").exists()


@pytest.mark.parametrize(
    "address",
    [
        "http://example.org/schema.json",
        "https://localhost/schema.json",
        "https://10.0.0.1/schema.json",
        "https://metadata.internal/schema.json",
        "https://example.org/../../etc/passwd",
        "https://example.org:8443/schema.json",
        "https://user@example.org/schema.json",
        "file:///etc/passwd",
    ],
)
def test_an_item_cannot_make_us_ask_for_what_is_no_public_schema(
    address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(address: str) -> bytes:
        raise AssertionError(f"asked for {address}")

    monkeypatch.setattr(cache, "_download", fail)
    assert cache.SchemaCache(tmp_path).load(address) is None
