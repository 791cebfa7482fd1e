"""The command that checks every configured part by using it."""

from __future__ import annotations

import importlib.util
import os
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from fair_models.cli import output
from fair_models.cli.options import Json
from fair_models.client.http import Http
from fair_models.errors import FairModelsError, Unavailable
from fair_models.settings import Settings, checkout_root, current

_FAILED = 1
_OURS = "fair-models-"
_LIMIT = 200


def doctor(
    blocks: Annotated[
        bool,
        typer.Option(help="Use the blocks that are saved on the Prefect server, as flows do."),
    ] = True,
    json: Json = False,
) -> None:
    """Check every configured part by using it; say what is wrong and what to do."""
    from fair_models.doctor import checking

    settings = current()
    if blocks and _has_blocks(settings):
        _where_the_blocks_say()
    findings = []
    for finding in checking.check(settings):
        findings.append(finding)
        if not output.wants_json():
            output.show_check(finding.part, finding.works, finding.says)
    works = all(finding.works for finding in findings)
    if output.wants_json():
        output.show_json({"works": works, "checks": [asdict(finding) for finding in findings]})
    if not works:
        raise typer.Exit(_FAILED)


def _has_blocks(settings: Settings) -> bool:
    """Whether blocks are saved. If no server answers, the check of the server says so."""
    body = {
        "block_documents": {"is_anonymous": {"eq_": False}, "name": {"any_": ["default"]}},
        "include_secrets": False,
        "limit": _LIMIT,
    }
    http = Http(settings.prefect_api_url, timeout_s=5, pauses_s=(), auth=settings.prefect_auth)
    try:
        found = http.post("/block_documents/filter", body)
    except Unavailable:
        return False
    except FairModelsError as error:
        output.say(
            f"It is not known whether blocks are saved, so the settings of this machine are checked. {error}"
        )
        return False
    return any(each["block_type"]["slug"].startswith(_OURS) for each in found)


def _where_the_blocks_say() -> None:
    """Start this command again with the blocks in its environment, which needs Prefect and the flows."""
    checkout = checkout_root()
    if checkout is None or importlib.util.find_spec("prefect") is None:
        output.say(
            "Blocks are saved on the Prefect server, and only a checkout with Prefect can use them. "
            "The settings of this machine are checked"
        )
        return
    again = [sys.executable, "-c", "from fair_models.cli import main; main()", "doctor", "--no-blocks"]
    command = [*again, "--json"] if output.wants_json() else again
    environment = {**os.environ, **current().environment()}
    os.chdir(checkout)
    os.execve(sys.executable, [sys.executable, "-m", "flows.runtime.places", *command], environment)  # noqa: S606
