"""Who may start which deployment, and whose items it touches: one table, and the check by it.

A deployment that is not in the table is refused, whoever asks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from pystac import Item

from fair_models.catalog import names as catalog_names
from fair_models.catalog.items import lineage, versions
from fair_models.catalog.protocol import Catalog
from fair_models.errors import NotFound
from fair_models.ownership import Ownership, Visibility
from fair_models.types import DATASETS, CollectionId
from fair_models.web import problems
from fair_models.web.auth import names
from fair_models.web.callers import Caller, Kind, Scope, kind_of
from fair_models.web.database.database import Database

Name = tuple[Kind, str]
"""A name and what it is the name of."""

Reference = tuple[tuple[CollectionId, ...], str]
"""The collections in which a reference may be, and the reference."""

Params = Mapping[str, Any]


@dataclass(frozen=True)
class Right:
    """What starting a deployment needs.

    scope: Of the token. The role must allow it: publish is for publishers, admin for admins.
    takes: The name that becomes the caller's where it is free, and must be theirs otherwise.
    touches: The name whose owner must agree: it must be the caller's, or one that they maintain.
    reads: What it works with: the caller must see it.
    implies: What it works with although nobody names it.
    """

    scope: Scope
    takes: Callable[[Params], Name] | None = None
    touches: Callable[[Params], Name] | None = None
    reads: Callable[[Params], Sequence[Reference]] = lambda params: ()
    implies: Callable[[Params, Catalog], Sequence[Reference]] = lambda params, catalog: ()


def _model(field: str) -> Callable[[Params], Name]:
    return lambda params: ("model", str(params.get(field, "")))


def _dataset(field: str) -> Callable[[Params], Name]:
    return lambda params: ("dataset", str(params.get(field, "")))


def _in_its_collection(params: Params) -> Name:
    return kind_of(str(params.get("collection", "local-models"))), str(params.get("name", ""))


def _training(params: Params) -> list[Reference]:
    return [
        (catalog_names.MODELS, str(params.get("base_model", ""))),
        ((DATASETS,), str(params.get("dataset", ""))),
    ]


def _compared(params: Params) -> list[Reference]:
    data = [*([params["dataset"]] if params.get("dataset") else []), *_texts(params.get("slices"))]
    return [
        *((catalog_names.MODELS, each) for each in _texts(params.get("versions"))),
        *(((DATASETS,), str(each)) for each in data),
    ]


def _data_of_the_first(params: Params, catalog: Catalog) -> list[Reference]:
    """The dataset of the first version, on which versions are compared where none is named.

    Whoever compares gets pictures of its chips. Of a version that is not published the caller owns the name.
    """
    if params.get("dataset"):
        return []
    wanted = _texts(params.get("versions"))[:1]
    return [
        ((DATASETS,), str(data))
        for reference in wanted
        for item in _meant(catalog, catalog_names.MODELS, reference)
        if (data := item.properties.get(lineage.PARENT_FIELDS[DATASETS]))
    ]


def _meant(catalog: Catalog, places: Sequence[CollectionId], reference: str) -> list[Item]:
    """What is published and may be meant by a reference."""
    named, bare = catalog_names.split_reference(reference)
    return versions.known(catalog, [each for each in places if named in {None, each}], bare)


RIGHTS: Final[Mapping[str, Right]] = MappingProxyType(
    {
        "register-model": Right("publish"),
        "ingest-dataset": Right("run", takes=_dataset("name")),
        "collect-feedback": Right("run", takes=_dataset("dataset")),
        "slice-dataset": Right(
            "run",
            takes=_dataset("name"),
            reads=lambda params: [((DATASETS,), str(params.get("dataset", "")))],
        ),
        "finetune": Right("run", takes=_model("model_name"), reads=_training),
        "search": Right("run", takes=_model("model_name"), reads=_training),
        "train": Right("admin"),
        "promote": Right("run", touches=_model("model")),
        "retire": Right("run", touches=_in_its_collection),
        "pin": Right("run", touches=_in_its_collection),
        "compare": Right("run", reads=_compared, implies=_data_of_the_first),
        "predict": Right("run", reads=lambda params: [(catalog_names.MODELS, str(params.get("model", "")))]),
        "repeat-prediction": Right("run"),
        "predict-shards": Right("admin"),
        "cut-chips": Right("admin"),
        "clean-runs": Right("admin"),
        "audit": Right("admin"),
    }
)
"""All deployments. `train`, `predict-shards` and `cut-chips` are inner steps, started by other runs. An audit
reports private items of everybody, so that it is for admins with and without repairs."""


def require(caller: Caller, deployment: str) -> Right:
    """What a deployment needs, if the caller's token and role allow it.

    Raises:
        Problem: There is no such deployment in the table, or the caller may not start it.
    """
    right = RIGHTS.get(deployment)
    if right is None:
        raise problems.Problem(
            "not-found", f"There is no deployment {deployment!r} here. There are {', '.join(sorted(RIGHTS))}"
        )
    if right.scope not in caller.scopes:
        raise problems.Problem(
            "forbidden",
            f"Starting {deployment} needs the scope {right.scope}, which your token or your role "
            f"{caller.role} does not have. Use a token that has it, or ask an admin for another role",
        )
    return right


def authorise(
    database: Database | None,
    catalog: Catalog,
    caller: Caller,
    deployment: str,
    params: Params,
    *,
    visibility: Visibility | None = None,
    name: str | None = None,
) -> Ownership:
    """See whether somebody may start a run, and whose what comes of it will be.

    A free name that the run publishes under becomes the caller's here, before the run exists.

    Args:
        database: The service's database. None where there are no accounts.
        catalog: All that is published, not only what the caller sees.
        caller: Who asks.
        deployment: Name of the deployment, e.g. "finetune".
        params: Its parameters, which the flow's own schema allows.
        visibility: Of what comes of it. Default: as the version before; private where there is none.
        name: Name of a base model that is registered, where it is known already.

    Returns:
        What the tags of the run have to say: `Ownership.tags`.

    Raises:
        Problem: There is no such deployment, or the caller may not start it.
        NotFound: What the run reads or changes is not there for the caller.
        Conflict: The name is somebody else's.
        Invalid: A reference means several things.
    """
    right = require(caller, deployment)
    if database is None:
        return Ownership(visibility=visibility)
    for places, reference in right.reads(params):
        see(database, catalog, caller, places, reference)
    try:
        for places, reference in right.implies(params, catalog):
            see(database, catalog, caller, places, reference)
    except NotFound:  # its name is not for the caller either
        raise NotFound("The dataset that is meant by default is not there for you. Name a dataset") from None
    taken = right.takes(params) if right.takes is not None else ("model", name) if name else None
    if taken is not None:
        found = names.claim(database, catalog, caller, *taken)
        return Ownership(found.owner, caller.owner, visibility)
    if right.touches is not None:
        found = touch(database, catalog, caller, *right.touches(params))
        return Ownership(found.owner, caller.owner, visibility)
    return Ownership(caller.owner, caller.owner, visibility)


def see(
    database: Database, catalog: Catalog, caller: Caller, places: Sequence[CollectionId], reference: str
) -> None:
    """See that what a reference means is there for somebody.

    Published versions are as visible as their items; trainings that are not published belong to whoever may
    use their name.

    Raises:
        NotFound: It is not; the message is the same whether it exists or not.
    """
    named, bare = catalog_names.split_reference(reference)
    wanted = [each for each in places if named in {None, each}]
    found = _meant(catalog, places, reference)
    is_there = (
        all(map(caller.may_see, found))
        if found
        else any(
            _may_use(database, catalog, caller, kind, bare) for kind in {kind_of(each) for each in wanted}
        )
    )
    if not is_there:
        raise NotFound(
            f"There is no {reference} in {' or '.join(places)} for you. GET /api/models and /api/datasets "
            "list what there is"
        )


def _may_use(database: Database, catalog: Catalog, caller: Caller, kind: Kind, reference: str) -> bool:
    """Whether somebody may use a name of which nothing is published under this reference."""
    found = names.find(database, catalog, kind, versions.split_id(reference)[0])
    return caller.is_admin if found is None else names.may_use(caller, found)


def touch(database: Database, catalog: Catalog, caller: Caller, kind: Kind, name: str) -> names.Ownership:
    """Whose a name is that is changed, if the caller may change what is published of it.

    Raises:
        NotFound: It is not the caller's, and they see nothing of it.
        Problem: They see it, and may not change it.
    """
    found = names.find(database, catalog, kind, name)
    if found is None and caller.is_admin:
        return names.Ownership(None)
    if found is not None and names.may_use(caller, found):
        return found
    seen = any(
        caller.may_see(item)
        for collection in names.COLLECTIONS[kind]
        for item in catalog.search(collection, name=name)
    )
    if seen:
        raise problems.Problem(
            "forbidden", f"{name} is somebody else's: only its owner, its maintainers and admins change it"
        )
    raise NotFound(f"There is no {kind} {name!r} of yours")


def _texts(value: Any) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []
