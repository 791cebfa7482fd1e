"""Publishing with the files in a bucket: the same operations, audit and races as with a folder."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import boto3
import pytest

from fair_models.audit.audit_run import audit
from fair_models.errors import Conflict, Corrupted, Unavailable
from fair_models.params import AuditParams
from fair_models.publishing import cleanup
from fair_models.store.s3.store import S3Store
from fair_models.types import BASE_MODELS, LOCAL_MODELS
from tests.publishing import racing
from tests.publishing.file_ledger import FileLedger
from tests.publishing.racing import Journal, Outcomes
from tests.publishing.test_races import begin, draw, perform
from tests.publishing.world import BASE, DATASET, MODEL, World, broken, unsettled
from tests.store.faulty_proxy import proxying

V1, V2, V3 = (f"{MODEL}-v{number}" for number in (1, 2, 3))
PUBLIC = "https://data.example.org/fair"
WRITERS, TURNS = 3, 5


@pytest.fixture
def bucket(s3_bucket: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The registry's files go there from now on."""
    monkeypatch.setenv("FAIR_STORE", f"s3://{s3_bucket}/fair")
    return s3_bucket


@pytest.fixture
def world(bucket: str, home: Path) -> World:
    """A base model, a dataset, and three completed versions of which two were published in turn."""
    made = World.at(home)
    made.register(1)
    made.ingest(1)
    assert isinstance(made.ledger, FileLedger)
    for _ in range(3):
        made.ledger.add(MODEL)
    made.promote(1)
    made.promote(2)
    return made


def key(href: str) -> str:
    """The whole key of an address in the bucket."""
    return href.partition("://")[2].partition("/")[2]


def days_later(world: World) -> World:
    """The same registry, with files that were put three days ago."""

    class Aged(S3Store):
        def modified(self, href: str) -> datetime:
            return super().modified(href) - timedelta(days=3)

    store = world.store
    assert isinstance(store, S3Store)
    return replace(world, store=Aged(store.place, world.root / "cache" / "store"))


def repaired(world: World) -> tuple[list[str], list[str]]:
    """What an audit that repairs found, and what it took away."""
    params = AuditParams(rules=["unreferenced-files", "leftovers"], repair=True)
    report = audit(world.catalog, world.store, world.ledger, params)
    return sorted(found.item for found in report.findings), sorted(each.item for each in report.repairs)


def test_a_registry_in_a_bucket_goes_through_every_operation(world: World, bucket: str) -> None:
    asset = world.catalog.get(LOCAL_MODELS, V2).assets["checkpoint"]
    assert asset.href.startswith(f"s3://{bucket}/fair/local-models/{MODEL}/v2/")
    assert world.items() == {V1: False, V2: True}

    world.promote(1)
    world.promote(3)
    assert world.items() == {V1: False, V2: False, V3: True}
    world.retire("archive", 3)
    world.retire("delete", 2)
    assert not [href for href in world.store.hrefs() if f"/{MODEL}/v2/" in href]
    assert (broken(world), unsettled(world)) == ([], [])

    world.retire("delete")
    assert world.items() == {}
    assert not [href for href in world.store.hrefs() if f"/{MODEL}/" in href]
    world.retire("delete", 1, DATASET, collection="datasets")
    world.retire("delete", 1, BASE, collection=BASE_MODELS)
    assert list(world.store.hrefs()) == []
    assert (broken(world), unsettled(world)) == ([], [])


def test_damage_in_the_bucket_is_found_and_keeps_a_version_from_becoming_active(
    world: World, bucket: str
) -> None:
    href = world.catalog.get(LOCAL_MODELS, V1).assets["checkpoint"].href
    world.store.fetch(href)  # the right bytes are in the cache, and that does not count
    size = world.store.size(href)
    boto3.client("s3").put_object(Bucket=bucket, Key=key(href), Body=b"x" * size)

    with pytest.raises(Corrupted, match=f"{V1} cannot become active again, its asset checkpoint"):
        world.promote(1)
    report = audit(world.catalog, world.store, world.ledger, AuditParams(rules=["digests"], digests=True))
    assert {found.item for found in report.findings} == {f"local-models/{V1}"}


def test_the_audit_collects_in_the_bucket_what_nobody_names(world: World, bucket: str) -> None:
    before = set(world.store.hrefs())
    orphan = world.store.put(f"local-models/{MODEL}/v9/model-0123.onnx", b"left by a crash").href
    stranger = world.store.put("notes/readme.txt", b"put there by somebody").href
    boto3.client("s3").create_multipart_upload(Bucket=bucket, Key="fair/local-models/x/v1/y")
    (unfinished,) = world.store.unfinished(datetime.now(UTC))

    # moto says of every upload that it began in 2010, so this one is old from the beginning.
    assert repaired(world) == ([], [unfinished])
    assert repaired(days_later(world)) == ([], sorted([orphan, stranger]))
    assert set(world.store.hrefs()) == before


def test_files_keep_their_items_when_the_bucket_gets_loses_or_changes_its_public_address(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What items call by another address than the store does now is not taken for unnamed."""
    private = set(world.store.hrefs())
    monkeypatch.setenv("FAIR_PUBLIC_STORE_URL", PUBLIC)
    public = World.at(home)
    assert repaired(days_later(public)) == ([], [])

    item = public.promote(3)
    assert item.assets["checkpoint"].href.startswith(f"{PUBLIC}/local-models/{MODEL}/v3/")
    assert repaired(days_later(public)) == ([], [])
    assert (broken(public), unsettled(public)) == ([], [])
    public.retire("delete", 2)

    for address in (f"{PUBLIC}/moved", None):
        if address:
            monkeypatch.setenv("FAIR_PUBLIC_STORE_URL", address)
        else:
            monkeypatch.delenv("FAIR_PUBLIC_STORE_URL")
        later = World.at(home)
        assert repaired(days_later(later)) == ([], [])
    kept = {href for href in later.store.hrefs() if f"/{MODEL}/v3/" not in href}
    assert kept == {href for href in private if f"/{MODEL}/v2/" not in href}


@pytest.mark.proof
@pytest.mark.parametrize("fault", ["drop-upload", "corrupt-upload"])
def test_a_promotion_that_fails_on_its_way_leaves_nothing_and_works_again(
    world: World, home: Path, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    before = set(world.store.hrefs())
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with proxying(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.address)
        through = World.at(home)
        proxy.before("/run-", lambda: proxy.inject(*[fault] * 5, where="PUT /"))
        with pytest.raises(Unavailable):
            through.promote(3)
        proxy.reset()
        assert through.items() == {V1: False, V2: True}
        assert set(world.store.hrefs()) == before

        through.promote(3)
    assert world.items() == {V1: False, V2: False, V3: True}
    assert (broken(world), unsettled(world)) == ([], [])


def take_part(root: Path, by: int, barrier: Barrier, ended: Event) -> Outcomes:
    world, chance, done = World.at(root), random.Random(by), []
    journal = Journal(root / "journal")
    barrier.wait()
    for _ in range(TURNS):
        operation = journal.operation = draw(world, chance)
        came = racing.outcome(lambda operation=operation: perform(world, journal, operation, by))
        done.append((journal.operation, came))
    return done


@pytest.mark.proof
def test_processes_that_publish_and_delete_at_once_lose_nothing_in_the_bucket(
    bucket: str, tmp_path: Path
) -> None:
    root = tmp_path / "registry"
    world = begin(root)

    answers = racing.run(take_part, [(root, by) for by in range(WRITERS)])

    came = Counter(end for each in answers for _, end in each)
    assert came["done"] > 0
    assert set(came) <= {"done", *(error.__name__ for error in racing.LOST)}, came
    assert broken(world) == []
    assert unsettled(world) == []
    named = {href for href in cleanup.referenced(world.catalog) if href.startswith("s3://")}
    assert set(world.store.hrefs()) == named


def test_of_two_that_register_other_bytes_under_one_version_one_is_refused(world: World, home: Path) -> None:
    (home / "input" / "register" / "1" / "readme.md").write_bytes(b"another text")
    before = sorted(world.store.hrefs())
    with pytest.raises(Conflict):
        world.register(1)
    assert sorted(world.store.hrefs()) == before
