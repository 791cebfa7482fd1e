"""Who may start which deployment, and whose names it touches."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml

from fair_models import params
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from fair_models.client.requests import DEPLOYMENTS
from fair_models.errors import Conflict, FairModelsError, NotFound
from fair_models.ownership import Ownership
from fair_models.web import problems
from fair_models.web.auth import accounts, names
from fair_models.web.auth.rights import RIGHTS, authorise
from fair_models.web.auth.roles import ROLES, SCOPES_OF
from fair_models.web.callers import Caller, Role
from fair_models.web.database.database import Database
from tests.catalog.small_items import small_item

PROJECT = Path(__file__).resolve().parents[3]

NEEDED: dict[str, Role] = {
    "register-model": "publisher",
    "ingest-dataset": "contributor",
    "collect-feedback": "contributor",
    "finetune": "contributor",
    "train": "admin",
    "promote": "contributor",
    "retire": "contributor",
    "pin": "contributor",
    "clean-runs": "admin",
    "slice-dataset": "contributor",
    "search": "contributor",
    "compare": "contributor",
    "predict": "contributor",
    "repeat-prediction": "contributor",
    "predict-shards": "admin",
    "cut-chips": "admin",
    "audit": "admin",
}
"""What people are told in docs/guides/accounts.md."""

FINETUNE = {"base_model": "unet", "dataset": "banepa", "model_name": "banepa-roofs"}


def caller(slug: str, role: Role = "contributor", **more: Any) -> Caller:
    return Caller(slug, role, SCOPES_OF[role], how="token:0123456789ab", **more)


@pytest.fixture
def catalog(tmp_path: Path) -> LocalCatalog:
    made = LocalCatalog(tmp_path / "catalog")
    private = {"fair:owner": "bikash", "fair:visibility": "private"}
    public = {"fair:owner": "bikash", "fair:visibility": "public"}
    made.commit(
        Change(
            put=[
                small_item("unet-v1", "base-models"),
                small_item("banepa-v1", "datasets"),
                small_item("hidden-data-v1", "datasets", **private),
                small_item("hidden-roofs-v1", **private),
                small_item("shown-roofs-v1", **public),
            ]
        )
    )
    return made


@pytest.fixture
def people(database: Database) -> Database:
    for slug, role in (("amina", "contributor"), ("bikash", "contributor"), ("root", "admin")):
        accounts.create(database, slug, role)
    return database


def test_the_table_has_every_deployment_and_nothing_else() -> None:
    written = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert {each["name"] for each in written} == set(RIGHTS) == set(NEEDED)


@pytest.mark.parametrize("deployment", sorted(RIGHTS))
def test_a_role_starts_what_it_may_and_no_more(
    catalog: LocalCatalog, people: Database, deployment: str
) -> None:
    for role in ROLES:
        may = ROLES.index(role) >= ROLES.index(NEEDED[deployment])
        try:
            authorise(people, catalog, caller("amina", role), deployment, {})
        except problems.Problem:
            assert not may
        except FairModelsError:
            assert may  # what it reads or touches is not there
        else:
            assert may


def test_a_token_for_reading_starts_nothing_whoever_has_it(catalog: LocalCatalog, people: Database) -> None:
    reading = Caller("root", "admin", frozenset({"read"}), how="token:0123456789ab")
    for deployment in RIGHTS:
        with pytest.raises(problems.Problem, match="scope"):
            authorise(people, catalog, reading, deployment, {})


def test_a_deployment_that_is_not_in_the_table_is_refused_even_to_admins(
    catalog: LocalCatalog, people: Database
) -> None:
    with pytest.raises(problems.Problem, match="no deployment"):
        authorise(people, catalog, caller("root", "admin"), "drop-everything", {})


def test_the_fields_that_the_table_reads_are_those_of_the_parameters() -> None:
    fields = {name: set(model.model_fields) for model, name in DEPLOYMENTS.items()}
    seen: dict[str, set[str]] = {}

    class Noting(dict[str, Any]):
        def __init__(self, deployment: str) -> None:
            super().__init__()
            self.deployment = deployment

        def get(self, key: str, default: Any = None) -> Any:
            seen.setdefault(self.deployment, set()).add(key)
            return default

    for deployment, right in RIGHTS.items():
        for function in (right.takes, right.touches, right.reads):
            if function is not None:
                function(Noting(deployment))
    assert seen
    assert all(used <= fields[deployment] for deployment, used in seen.items())


def test_every_parameter_that_names_an_item_is_looked_at() -> None:
    looked = {
        "finetune": {"base_model", "dataset", "model_name"},
        "search": {"base_model", "dataset", "model_name"},
        "compare": {"versions", "dataset", "slices"},
        "predict": {"model"},
        "slice-dataset": {"dataset", "name"},
        "ingest-dataset": {"name"},
        "collect-feedback": {"dataset"},
        "promote": {"model"},
        "retire": {"name", "collection"},
        "pin": {"name", "collection"},
    }
    names_items = {"model", "model_name", "base_model", "dataset", "versions", "slices", "name"}
    for model, deployment in DEPLOYMENTS.items():
        fields = names_items & set(model.model_fields)
        assert fields <= looked.get(deployment, set()), deployment


def test_a_free_name_becomes_the_callers_and_a_taken_one_says_nothing_else(
    catalog: LocalCatalog, people: Database
) -> None:
    made = authorise(people, catalog, caller("amina"), "finetune", FINETUNE, visibility="public")
    assert made == Ownership("amina", "amina", "public")
    with pytest.raises(Conflict, match=r"^This name is taken$"):
        authorise(people, catalog, caller("bikash"), "finetune", FINETUNE)
    assert authorise(people, catalog, caller("amina"), "finetune", FINETUNE).owner == "amina"


@pytest.mark.parametrize("taken", ["hidden-roofs", "shown-roofs", "unet"])
def test_names_of_others_are_taken_whether_they_are_seen_or_not(
    catalog: LocalCatalog, people: Database, taken: str
) -> None:
    with pytest.raises(Conflict, match=r"^This name is taken$"):
        authorise(people, catalog, caller("amina"), "finetune", {**FINETUNE, "model_name": taken})


def test_of_many_who_ask_for_a_free_name_at_once_one_gets_it(catalog: LocalCatalog, people: Database) -> None:
    def ask(slug: str) -> str | None:
        try:
            return authorise(people, catalog, caller(slug), "finetune", FINETUNE).owner
        except Conflict:
            return None

    with ThreadPoolExecutor(8) as pool:
        owners = list(pool.map(ask, ["amina", "bikash"] * 8))
    got = {owner for owner in owners if owner}
    assert len(got) == 1
    assert owners.count(None) == 8
    found = names.find(people, catalog, "model", "banepa-roofs")
    assert found is not None
    assert {found.owner} == got


@pytest.mark.parametrize(
    ("deployment", "asked"),
    [
        ("finetune", {**FINETUNE, "dataset": "hidden-data"}),
        ("finetune", {**FINETUNE, "dataset": "hidden-data-v1"}),
        ("finetune", {**FINETUNE, "base_model": "hidden-roofs"}),
        ("finetune", {**FINETUNE, "base_model": "local-models/hidden-roofs-v1"}),
        ("predict", {"model": "hidden-roofs"}),
        ("compare", {"versions": ["shown-roofs", "hidden-roofs"]}),
        ("compare", {"versions": ["shown-roofs"], "slices": ["hidden-data"]}),
        ("slice-dataset", {"dataset": "hidden-data", "name": "a-slice"}),
        ("retire", {"name": "hidden-roofs"}),
        ("pin", {"name": "hidden-data", "collection": "datasets"}),
        ("promote", {"model": "hidden-roofs"}),
    ],
)
def test_private_items_of_others_are_as_if_they_were_not_there(
    catalog: LocalCatalog, people: Database, deployment: str, asked: dict[str, Any]
) -> None:
    with pytest.raises(NotFound) as hidden:
        authorise(people, catalog, caller("amina"), deployment, asked)
    absent = {
        key: [each.replace("hidden", "absent") for each in value]
        if isinstance(value, list)
        else value.replace("hidden", "absent")
        for key, value in asked.items()
    }
    with pytest.raises(NotFound) as missing:
        authorise(people, catalog, caller("amina"), deployment, absent)
    assert str(hidden.value).replace("hidden", "absent") == str(missing.value)
    assert authorise(people, catalog, caller("bikash"), deployment, asked).requester == "bikash"
    assert authorise(people, catalog, caller("root", "admin"), deployment, asked).requester == "root"


def test_nobody_takes_all_names(
    catalog: LocalCatalog, people: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "MAX_NAMES", 2)
    for name in ("first-roofs", "second-roofs"):
        authorise(people, catalog, caller("amina"), "finetune", {**FINETUNE, "model_name": name})
    with pytest.raises(Conflict, match="maximum"):
        authorise(people, catalog, caller("amina"), "finetune", {**FINETUNE, "model_name": "third-roofs"})
    assert authorise(
        people, catalog, caller("amina"), "finetune", {**FINETUNE, "model_name": "first-roofs"}
    ).owner


def test_nobody_compares_on_the_private_data_of_a_public_model(
    catalog: LocalCatalog, people: Database
) -> None:
    told = {"fair:owner": "bikash", "fair:visibility": "public", "fair:dataset_id": "hidden-data-v1"}
    catalog.commit(Change(put=[small_item("open-roofs-v1", **told)]))
    for reference in ("open-roofs", "open-roofs-v1", "local-models/open-roofs"):
        with pytest.raises(NotFound, match="Name a dataset") as refused:
            authorise(people, catalog, caller("amina"), "compare", {"versions": [reference]})
        assert "hidden" not in str(refused.value)
        shown = {"versions": [reference], "dataset": "banepa"}
        assert authorise(people, catalog, caller("amina"), "compare", shown).owner == "amina"
        assert authorise(people, catalog, caller("bikash"), "compare", {"versions": [reference]}).owner


def test_what_is_refused_takes_no_name(catalog: LocalCatalog, people: Database) -> None:
    with pytest.raises(NotFound):
        authorise(people, catalog, caller("amina"), "finetune", {**FINETUNE, "dataset": "hidden-data"})
    assert names.find(people, catalog, "model", "banepa-roofs") is None


def test_a_public_item_of_somebody_else_is_seen_and_not_changed(
    catalog: LocalCatalog, people: Database
) -> None:
    assert authorise(people, catalog, caller("amina"), "predict", {"model": "shown-roofs"}).owner == "amina"
    with pytest.raises(problems.Problem, match="somebody else's") as refused:
        authorise(people, catalog, caller("amina"), "retire", {"name": "shown-roofs"})
    assert refused.value.kind == "forbidden"


def test_items_without_an_owner_are_the_admins(catalog: LocalCatalog, people: Database) -> None:
    asked = {"name": "banepa", "collection": "datasets"}
    with pytest.raises(problems.Problem):
        authorise(people, catalog, caller("amina"), "retire", asked)
    assert authorise(people, catalog, caller("root", "admin"), "retire", asked) == Ownership(None, "root")


def test_maintainers_work_for_the_owner_of_the_name(catalog: LocalCatalog, people: Database) -> None:
    names.set_maintainers(people, catalog, caller("bikash"), "model", "shown-roofs", ["amina"])
    made = authorise(people, catalog, caller("amina"), "finetune", {**FINETUNE, "model_name": "shown-roofs"})
    assert made == Ownership("bikash", "amina")
    with pytest.raises(Conflict, match="Only its owner bikash"):
        names.set_maintainers(people, catalog, caller("amina"), "model", "shown-roofs", [])
    names.set_maintainers(people, catalog, caller("bikash"), "model", "shown-roofs", [])
    with pytest.raises(problems.Problem):
        authorise(people, catalog, caller("amina"), "retire", {"name": "shown-roofs"})


def test_nobody_else_names_maintainers(catalog: LocalCatalog, people: Database) -> None:
    with pytest.raises(NotFound):
        names.set_maintainers(people, catalog, caller("amina"), "model", "shown-roofs", ["amina"])
    with pytest.raises(NotFound, match="no account"):
        names.set_maintainers(people, catalog, caller("bikash"), "model", "shown-roofs", ["chandra"])


def test_a_deleted_name_stays_its_owners(catalog: LocalCatalog, people: Database) -> None:
    tombstone = small_item(
        "hidden-roofs-v1",
        **{"fair:owner": "bikash", "fair:tombstone": {"deleted": "2026-01-01T00:00:00Z", "reason": ""}},
    )
    catalog.commit(Change(remove=[("local-models", "hidden-roofs-v1")], tombstones=[tombstone]))
    with pytest.raises(Conflict, match=r"^This name is taken$"):
        authorise(people, catalog, caller("amina"), "finetune", {**FINETUNE, "model_name": "hidden-roofs"})


def test_parameters_say_nothing_of_owners() -> None:
    for name in params.__all__:
        model = getattr(params, name)
        if isinstance(model, type) and hasattr(model, "model_fields"):
            assert not {"owner", "requester", "visibility"} & set(model.model_fields)
