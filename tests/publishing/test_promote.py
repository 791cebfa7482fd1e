"""Promotion: what is published, in which order, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pystac import Item

from fair_models.catalog import validation
from fair_models.catalog.items import assets, versions
from fair_models.catalog.items.agreement import Agreement, Figure
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.errors import Conflict, FairModelsError, GateFailed, Invalid, NotFound
from fair_models.params import Gate, PromoteParams
from fair_models.publishing import candidate
from fair_models.publishing.promote import promote
from fair_models.publishing.workspace import folders_left
from fair_models.reports import cards, metrics
from fair_models.store.local import LocalStore
from fair_models.training.config.run_config import RunConfig
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS
from flows.tasks import results
from tests.catalog.item_factory import base_item, dataset_item
from tests.publishing.memory_ledger import IOU, MemoryLedger, a_network
from tests.publishing.world import World

pytestmark = pytest.mark.usefixtures("parents")

Promote = Any
MODEL = "banepa-roofs"


@pytest.fixture
def publish(catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger) -> Promote:
    def call(version: int | None = None, **gate: Any) -> Item:
        return promote(PromoteParams(model=MODEL, version=version, gate=Gate(**gate)), catalog, store, ledger)

    return call


def items(catalog: LocalCatalog) -> list[tuple[str, bool]]:
    found = catalog.search(LOCAL_MODELS, order="version")
    return [(item.id, item.properties["deprecated"]) for item in found]


def test_a_promoted_version_is_an_item_with_what_its_run_says(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger
) -> None:
    version = ledger.add(software={"torch": "2.13.0"})

    item = publish(1)

    assert item.id == "banepa-roofs-v1"
    said = item.properties
    assert said[IOU] == 0.74
    assert said["fair:baseline"] == {IOU: 0.377, "name": "everything is a building"}
    assert said["fair:training_seconds"] == 81.25
    assert said["fair:held_out_count"] == 12
    assert said["fair:zenml"] == {"run_id": version.run_id, "model_version": 1}
    assert said["mlm:hyperparameters"]["training.epochs"] == 40
    assert said["title"] == "Roofs of Banepa"
    assert said["processing:software"] == {"torch": "2.13.0"}
    assert said["fair:split_spec"] == dataset_item().properties["fair:split_spec"]
    derived = {link.href for link in item.get_links("derived_from")}
    assert derived == {
        catalog.href(BASE_MODELS, "roofs-unet-v1"),
        catalog.href(DATASETS, "banepa-buildings-v1"),
    }
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []


def test_code_runtimes_and_processing_are_the_base_models(publish: Promote, ledger: MemoryLedger) -> None:
    ledger.add()
    item, base = publish(1), base_item()

    for role in ("mlm:source_code", "mlm:training-runtime", "mlm:inference-runtime"):
        assert assets.by_role(item, role).to_dict() == assets.by_role(base, role).to_dict()
    for field in ("mlm:input", "mlm:output"):
        assert item.properties[field] == base.properties[field]


def test_the_bytes_lie_under_versioned_keys_and_have_their_digests(
    publish: Promote, store: LocalStore, ledger: MemoryLedger
) -> None:
    ledger.add()
    item = publish(1)

    assert store.fetch(*assets.file_ref(item, "mlm:weights")).read_bytes() == b"weights of banepa-roofs-v1"
    assert store.fetch(*assets.file_ref(item, "mlm:model")).read_bytes() == ledger.files[MODEL, 1, "onnx"]
    for key in ("checkpoint", "model", "run-config"):
        assert "/local-models/banepa-roofs/v1/" in item.assets[key].href


def test_the_run_config_beside_the_weights_repeats_the_run(publish: Promote, ledger: MemoryLedger) -> None:
    ledger.add()
    text = Path(publish(1).assets["run-config"].href).read_text(encoding="utf-8")
    assert RunConfig.from_zenml(text) == ledger.config(MODEL, 1)


def agreement(*int8: float | None, objects: float | None = None) -> Agreement:
    """Figures of the network in 8 bits by engine, and one in bfloat16 that is good enough."""
    engines = ("onnxruntime", "openvino")
    figures = [
        Figure(engine, "1.0", "int8", value, objects) for engine, value in zip(engines, int8, strict=False)
    ]
    return Agreement((*figures, Figure("openvino", "1.0", "bfloat16", 0.9988)), 12, 32, ("first", "last"))


def test_a_network_in_8_bits_is_published_beside_the_exact_one_with_its_lowest_figure(
    publish: Promote, store: LocalStore, ledger: MemoryLedger
) -> None:
    ledger.add(agreement=agreement(0.9971, 0.9964))
    ledger.files[MODEL, 1, "onnx_int8"] = a_network(9)

    item = publish(1)

    assert store.fetch(*assets.file_ref(item, assets.QUANTIZED)).read_bytes() == a_network(9)
    assert store.fetch(*assets.file_ref(item, assets.MODEL)).read_bytes() == a_network(1)
    asset = item.assets["model-int8"]
    assert asset.roles == ["fair:quantized-model"]
    assert asset.extra_fields["fair:mask_iou"] == 0.9964
    assert "/local-models/banepa-roofs/v1/model-int8-" in asset.href
    assert item.properties["fair:agreement"] == agreement(0.9971, 0.9964).to_json()
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []


@pytest.mark.parametrize("int8", [(0.9971, 0.9949), (None, None), ()])
def test_a_network_in_8_bits_that_falls_short_is_not_published_and_its_figures_are(
    publish: Promote, ledger: MemoryLedger, int8: tuple[float | None, ...]
) -> None:
    ledger.add(agreement=agreement(*int8))
    ledger.files[MODEL, 1, "onnx_int8"] = a_network(9)

    item = publish(1)

    assert "model-int8" not in item.assets
    assert item.properties["fair:agreement"] == agreement(*int8).to_json()
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []


@pytest.mark.parametrize(("objects", "kept"), [(0.9923, True), (0.9799, False)])
def test_a_network_in_8_bits_is_published_only_where_its_objects_agree_too(
    publish: Promote, ledger: MemoryLedger, objects: float, kept: bool
) -> None:
    ledger.add(agreement=agreement(0.9971, 0.9964, objects=objects))
    ledger.files[MODEL, 1, "onnx_int8"] = a_network(9)

    item = publish(1)

    assert ("model-int8" in item.assets) is kept
    assert {each.get("instance_f1") for each in item.properties["fair:agreement"]["figures"]} == {
        objects,
        None,
    }
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []


def test_a_network_in_8_bits_that_cannot_be_run_is_not_published(
    publish: Promote, ledger: MemoryLedger
) -> None:
    ledger.add(agreement=agreement(0.9971, 0.9964))
    ledger.files[MODEL, 1, "onnx_int8"] = b""

    with pytest.raises(Invalid, match=r"banepa-roofs-v1 cannot be published: .*model-int8\.onnx"):
        publish(1)


def test_without_a_number_the_newest_completed_version_is_published(
    publish: Promote, ledger: MemoryLedger
) -> None:
    for status in ("completed", "completed", "failed", "running"):
        ledger.add(status=status)

    assert publish().id == "banepa-roofs-v2"


def test_the_next_version_takes_the_place_of_the_one_before(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger
) -> None:
    ledger.add()
    ledger.add()

    publish(1)
    publish(2)

    assert items(catalog) == [("banepa-roofs-v1", True), ("banepa-roofs-v2", False)]
    assert ledger.stages() == ["archived", "production"]
    first, second = catalog.search(LOCAL_MODELS, order="version")
    assert first.properties["version"] == "1"
    assert first.get_single_link("successor-version").href == catalog.href(LOCAL_MODELS, second.id)
    assert second.get_single_link("predecessor-version").href == catalog.href(LOCAL_MODELS, first.id)


def test_publishing_again_changes_nothing_and_says_so(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.add()
    first = publish(1)

    with caplog.at_level("INFO"):
        again = publish()

    assert again.to_dict() == first.to_dict()
    assert items(catalog) == [("banepa-roofs-v1", False)]
    assert "banepa-roofs-v1 is published already" in caplog.text


def test_publishing_again_mends_a_stage_that_did_not_follow(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger
) -> None:
    """As after a crash between the commit and the stage."""
    ledger.add()

    def crash() -> None:
        raise ConnectionError("the power went out")

    ledger.before_stage = crash
    with pytest.raises(ConnectionError):
        publish(1)
    assert items(catalog) == [("banepa-roofs-v1", False)]
    assert ledger.stages() == ["none"]

    ledger.before_stage = lambda: None
    publish(1)
    assert ledger.stages() == ["production"]


def test_the_stage_follows_only_after_the_item_is_in_the_catalogue(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger
) -> None:
    ledger.add()
    seen: list[list[tuple[str, bool]]] = []
    ledger.before_stage = lambda: seen.append(items(catalog))

    publish(1)

    assert seen == [[("banepa-roofs-v1", False)]]


def nothing_changed(catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger) -> bool:
    return not items(catalog) and not list(store.hrefs("local-models")) and set(ledger.stages()) == {"none"}


@pytest.mark.parametrize("status", ["running", "failed", "missing"])
def test_a_version_whose_run_did_not_complete_is_refused(
    publish: Promote, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger, status: str
) -> None:
    ledger.add(status=status)

    with pytest.raises(Invalid, match=f"banepa-roofs-v1 cannot be published: its run .*is {status}"):
        publish(1)
    assert nothing_changed(catalog, store, ledger)


def test_a_version_with_the_name_of_a_base_model_is_refused_before_anything_is_stored(
    publish: Promote, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    ledger.add()
    twin = next(catalog.search(BASE_MODELS)).clone()
    twin.id = "banepa-roofs-v1"
    catalog.commit(Change(put=[twin]))

    with pytest.raises(Conflict, match="banepa-roofs is the name of a base model already"):
        publish(1)
    assert nothing_changed(catalog, store, ledger)


def test_production_in_zenml_does_not_make_a_failed_run_publishable(
    publish: Promote, ledger: MemoryLedger
) -> None:
    ledger.add(status="failed", stage="production")
    with pytest.raises(Invalid, match="is failed"):
        publish(1)


def test_a_model_of_which_nothing_completed_is_refused_with_what_there_is(
    publish: Promote, ledger: MemoryLedger
) -> None:
    ledger.add(status="failed")
    ledger.add(status="running")
    with pytest.raises(
        Invalid, match=r"No version of banepa-roofs has completed \(1 is failed, 2 is running\)"
    ):
        publish()


def test_an_unknown_model_and_an_unknown_version_are_not_found(
    publish: Promote, ledger: MemoryLedger
) -> None:
    with pytest.raises(NotFound):
        publish()
    ledger.add()
    with pytest.raises(NotFound):
        publish(7)


@pytest.mark.parametrize(
    ("fields", "gate", "told"),
    [
        ({"iou": 0.4}, {"minimum": {IOU: 0.5}}, "below the minimum of 0.5"),
        ({"held_out_count": 0}, {}, "was not measured on held-out data"),
        ({"iou": None}, {}, "was not measured"),
        ({"iou": 0.377}, {}, r"no better than 0.377 of the simplest guess \(everything is a building\)"),
        ({"iou": 0.0}, {"minimum": {IOU: 0.0}}, "no better than 0.377"),
    ],
)
def test_a_run_that_fails_its_gate_changes_nothing(
    publish: Promote,
    catalog: LocalCatalog,
    store: LocalStore,
    ledger: MemoryLedger,
    fields: dict[str, Any],
    gate: dict[str, Any],
    told: str,
) -> None:
    ledger.add(**fields)

    with pytest.raises(GateFailed, match=told):
        publish(1, **gate)
    assert nothing_changed(catalog, store, ledger)


WHY = "Kept to show the workshop what a collapse is"


def test_the_ceiling_of_a_metric_is_kept_in_the_item(publish: Promote, ledger: MemoryLedger) -> None:
    ledger.add(ceiling={IOU: 0.98, "fair:instance_ap": None})
    ledger.add()

    item, without = publish(1), publish(2)

    assert item.properties["fair:metric_ceilings"] == {IOU: 0.98}
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    assert metrics.of_item(ModelItem(item)).values[0].ceiling == 0.98
    assert "fair:metric_ceilings" not in without.properties


def test_a_dry_run_tells_that_a_version_is_no_better_than_guessing(
    catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    ledger.add(iou=0.377)

    with pytest.raises(GateFailed, match=r"no better than 0.377"):
        promote(PromoteParams(model=MODEL, dry_run=True), catalog, store, ledger)


def test_a_version_no_better_than_guessing_is_published_for_a_reason_that_its_item_and_card_tell(
    publish: Promote, store: LocalStore, ledger: MemoryLedger
) -> None:
    ledger.add(iou=0.2, baseline_names={IOU: "everything is building"})

    item = publish(override_reason=WHY)

    assert item.properties["fair:gate"]["override_reason"] == WHY
    assert item.properties["fair:baseline_names"] == {IOU: "everything is building"}
    assert validation.problems(item.to_dict(transform_hrefs=False)) == []
    card = cards.model_card(item, store)
    assert f"**No better than guessing.** {IOU} is 0.2, no better than 0.377" in card
    assert "0.377 (everything is building), not surpassed" in card
    assert "no better than 0.377" in (results.promoted(item, None, dry_run=False).warning or "")


def test_a_good_version_has_no_warning(publish: Promote, ledger: MemoryLedger) -> None:
    ledger.add()
    assert results.promoted(publish(), None, dry_run=False).warning is None


def test_a_completed_training_that_learnt_nothing_is_warned_of(
    ledger: MemoryLedger, caplog: pytest.LogCaptureFixture
) -> None:
    collapsed, good = ledger.add(iou=0.377), ledger.add()

    warning = candidate.warn_of(collapsed, ModelItem(base_item()))

    assert warning is not None
    assert "no better than 0.377 of the simplest guess (everything is a building)" in warning
    assert warning in caplog.text
    row = results.trained(collapsed, ledger.config(MODEL, 1), warning)
    assert row.warning == warning
    assert [each.better for each in metrics.of_version(collapsed, base_item()).values] == [False]
    assert candidate.warn_of(good, ModelItem(base_item())) is None


def test_the_result_of_a_training_tells_what_its_run_noted(ledger: MemoryLedger) -> None:
    version = replace(ledger.add(), notes=("Its labels tell no objects apart", "Second"))

    row = results.trained(version, ledger.config(MODEL, 1))

    assert row.notes.endswith("Its labels tell no objects apart. Second")


def test_the_active_version_is_held_against_a_gate_too(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger
) -> None:
    ledger.add(iou=0.74)
    first = publish(1)

    with pytest.raises(GateFailed, match=r"banepa-roofs-v1 .*0.74, 0.25 below the minimum of 0.99"):
        publish(1, minimum={IOU: 0.99})
    with pytest.raises(Invalid, match="Choose among"):
        publish(1, minimum={"fair:nonsense": 0.5})
    same = publish(1, minimum={IOU: 0.7}, not_worse_by=0.0)
    assert same.properties["fair:gate"] == first.properties["fair:gate"]
    assert items(catalog) == [("banepa-roofs-v1", False)]


def test_without_a_gate_an_active_version_stays_as_it_was_judged(
    publish: Promote, ledger: MemoryLedger
) -> None:
    ledger.add(iou=0.2)
    publish(1, override_reason=WHY)
    assert publish(1).id == "banepa-roofs-v1"


def test_a_challenger_is_compared_with_the_current_version(publish: Promote, ledger: MemoryLedger) -> None:
    ledger.add(iou=0.74)
    ledger.add(iou=0.60)
    publish(1)

    with pytest.raises(GateFailed, match=r"0.14 worse than 0.74 of the current banepa-roofs-v1"):
        publish(2, not_worse_by=0.1)
    assert publish(2, not_worse_by=0.2).id == "banepa-roofs-v2"


@pytest.mark.parametrize("artifact", ["weights", "onnx"])
def test_a_version_without_an_artifact_is_refused(
    publish: Promote, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger, artifact: str
) -> None:
    ledger.add()
    del ledger.files[MODEL, 1, artifact]

    with pytest.raises(NotFound, match=artifact):
        publish(1)
    assert nothing_changed(catalog, store, ledger)


def test_a_version_whose_onnx_cannot_be_run_is_refused(
    publish: Promote, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    ledger.add()
    ledger.files[MODEL, 1, "onnx"] = b"no network"

    with pytest.raises(Invalid, match=r"banepa-roofs-v1 cannot be published: .*cannot be opened as ONNX"):
        publish(1)
    assert nothing_changed(catalog, store, ledger)


def test_an_older_version_that_was_never_published_can_become_current(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger
) -> None:
    ledger.add()
    ledger.add()
    publish(2)
    publish(1)

    current = versions.current(catalog, LOCAL_MODELS, MODEL)
    assert current is not None
    assert current.id == "banepa-roofs-v1"
    assert items(catalog) == [("banepa-roofs-v1", False), ("banepa-roofs-v2", True)]
    assert ledger.stages() == ["production", "archived"]


def test_a_version_whose_dataset_is_gone_is_refused(
    publish: Promote, catalog: LocalCatalog, store: LocalStore, ledger: MemoryLedger
) -> None:
    ledger.add(dataset="banepa-buildings-v9")
    with pytest.raises(NotFound, match="banepa-buildings-v9"):
        publish(1)
    assert nothing_changed(catalog, store, ledger)


def test_a_failed_promotion_leaves_no_work_folder_behind(publish: Promote, ledger: MemoryLedger) -> None:
    ledger.add()
    ledger.files[MODEL, 1, "onnx"] = b"no network"
    with pytest.raises(FairModelsError):
        publish(1)
    assert folders_left() == []


@pytest.mark.parametrize("file", ["code.archive", "weights"])
def test_a_run_of_what_is_not_registered_is_never_published(
    publish: Promote, catalog: LocalCatalog, ledger: MemoryLedger, parents: None, file: str
) -> None:
    ledger.add()
    ledger.configs[MODEL, 1] = of_other_bytes(ledger.configs[MODEL, 1], file)
    for gate in ({}, {"override_reason": "It is the only one that we have"}):
        with pytest.raises(Invalid, match=rf"not registered.*{file} has the digest e{{12}}….*roofs-unet-v1"):
            publish(1, **gate)
    assert items(catalog) == []
    assert ledger.stages() == ["none"]


def test_a_version_that_ran_what_is_not_registered_does_not_become_active_again(tmp_path: Path) -> None:
    """As one that was published before anybody looked."""
    world = World.at(tmp_path)
    world.register(1)
    world.ingest(1)
    for number in (1, 2):
        world.ledger.add(MODEL)  # type: ignore[attr-defined]
        world.promote(number)
    item = world.catalog.get(LOCAL_MODELS, "banepa-roofs-v1")
    config = of_other_bytes(world.ledger.config(MODEL, 1), "code.archive")
    put = world.store.put("local-models/banepa-roofs/v1/other/run.yaml", config.to_zenml().encode())
    item.assets["run-config"].href = put.href
    item.assets["run-config"].extra_fields |= {"file:checksum": put.checksum, "file:size": put.size}
    world.catalog.commit(Change(put=[item]))
    with pytest.raises(Invalid, match="cannot become active again: its run used what is not registered"):
        world.promote(1)
    assert world.items() == {"banepa-roofs-v1": False, "banepa-roofs-v2": True}


def of_other_bytes(config: RunConfig, file: str) -> RunConfig:
    document = config.model_dump(mode="json")
    part = document
    for key in file.split("."):
        part = part[key]
    part["checksum"] = "1220" + 64 * "e"
    return RunConfig.model_validate(document)
