"""Commands that work on a whole catalogue where it is stored. They need no Prefect server."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from pydantic import SecretStr

from fair_models.cli import output
from fair_models.cli.options import Json, text_of
from fair_models.params import AuditParams
from fair_models.settings import current

_PLACE = (
    "A folder, or postgresql://user@host:5432/name with the password in PGPASSWORD or ~/.pgpass. "
    "`configured` is the catalogue of FAIR_CATALOG."
)


group = typer.Typer(no_args_is_help=True, add_completion=False)
"""The commands of `fair-models catalog`."""


@group.command("init")
def init(json: Json = False) -> None:
    """Make or update the pgstac database of FAIR_CATALOG. Items are not changed."""
    from fair_models.catalog.opening import open_pgstac

    settings = current()
    catalog = open_pgstac(settings.catalog, settings)
    version = catalog.init()
    if output.wants_json():
        output.show_json({"catalog": catalog.database.address, "pgstac": version})
        return
    output.say(f"The catalogue {catalog.database.address} is ready, with pgstac {version}.")
    if not settings.catalog_api_url:
        output.say("Set FAIR_CATALOG_API_URL to the root of the STAC API that serves it.")


@group.command("copy")
def copy(
    source: Annotated[str, typer.Argument(metavar="FROM", help=_PLACE)],
    target: Annotated[str, typer.Argument(metavar="TO", help=f"{_PLACE} It must be empty.")],
    json: Json = False,
) -> None:
    """Copy a catalogue, tombstones included. After a crash, run the same command again to resume.

    Files are not copied: items of the copy name the same files.
    """
    from fair_models.catalog import copying
    from fair_models.catalog.opening import open_at

    settings = current()
    places = (settings.catalog if each == "configured" else SecretStr(each) for each in (source, target))
    copied = copying.copy(*(open_at(each, settings) for each in places))
    if output.wants_json():
        output.show_json(asdict(copied))
        return
    output.say(
        f"Copied {copied.items} items and {copied.tombstones} tombstones; {copied.same} were already there."
    )


@group.command("audit")
def audit(
    place: Annotated[str, typer.Argument(metavar="PLACE", help=_PLACE)] = "configured",
    digests: Annotated[bool, typer.Option("--digests", help=text_of(AuditParams, "digests"))] = False,
    json: Json = False,
) -> None:
    """Check a catalogue in this process, such as a restored one. Changes nothing. Code 1 if it has errors.

    `fair-models audit` runs on a worker instead, which reads the catalogue of its own settings.
    """
    from fair_models.audit.audit_run import audit as check
    from fair_models.catalog.opening import open_at
    from fair_models.store.opening import open_store
    from fair_models.training.ledger import open_ledger

    settings = current()
    where = settings.catalog if place == "configured" else SecretStr(place)
    params = AuditParams(digests=digests)
    report = check(open_at(where, settings), open_store(settings), open_ledger(settings), params)
    if output.wants_json():
        output.show_json(report.to_json())
    else:
        typer.echo(report.to_markdown())
    if not report.ok:
        raise typer.Exit(1)
