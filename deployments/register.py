"""Registers contributions on a server and waits for it: `python -m deployments.register models/x [more]`.

The worker reads the folder from its own image, where the checkout lies under WORKER_CHECKOUT (default /app).
The key of the request is made from the content of the folder: asking again registers nothing twice.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from fair_models.client import Client
from fair_models.errors import FairModelsError
from fair_models.params import RegisterModelParams

_IGNORED = {"__pycache__"}


def register(folders: Sequence[Path], checkout: str, client: Client, again: bool = False) -> list[str]:
    """Register each folder, one after the other.

    Args:
        folders: Contributions in this checkout, for example models/roof_dots.
        checkout: Where the worker has the same checkout, for example "/app".
        client: To the server.
        again: Whether to try anew what failed before with the same content.

    Returns:
        What was wrong, a line for each folder that was not registered.
    """
    wrong = []
    for folder in folders:
        params = RegisterModelParams(source=f"{checkout}/models/{folder.name}")
        try:
            run = client.start(
                "register-model",
                params,
                idempotency_key=f"register-{folder.name}-{digest(folder)}",
                again=again,
            )
            ended = client.wait(run.id)
        except FairModelsError as error:
            wrong.append(f"{folder}: {error}")
            continue
        if ended.state.type == "COMPLETED":
            sys.stdout.write(f"{folder}: {client.result(run.id)['item']}\n")
        else:
            wrong.append(f"{folder}: {ended.state.name}: {ended.state.message} (run {run.id})")
    return wrong


def digest(folder: Path) -> str:
    """What stands for the content of a folder: 16 hexadecimal digits."""
    found = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        inside = path.relative_to(folder)
        if not _IGNORED.intersection(inside.parts):
            found.update(f"{inside.as_posix()}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return found.hexdigest()[:16]


if __name__ == "__main__":
    with Client() as server:
        failures = register(
            [Path(name) for name in sys.argv[1:]],
            os.environ.get("WORKER_CHECKOUT", "/app"),
            server,
            again=os.environ.get("REGISTER_AGAIN") == "1",
        )
    if failures:
        raise SystemExit("\n".join(failures))
