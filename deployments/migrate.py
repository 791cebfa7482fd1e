"""Brings Prefect's database up to date, one at a time: `python -m deployments.migrate`.

Each pod of a server does this before it answers. Prefect's own `server database upgrade` takes no lock, and
two at once stumble over each other's tables.
"""

from __future__ import annotations

import os
import subprocess
import sys

import psycopg

_LOCK = 7023_1984
"""Any number, the same for all."""


def migrate(address: str) -> None:
    """Hold a lock of the database while Prefect migrates it. Others wait.

    Args:
        address: As in PREFECT_API_DATABASE_CONNECTION_URL, "postgresql+asyncpg://…".

    Raises:
        SystemExit: Prefect could not; its own words are above.
    """
    with psycopg.connect(address.replace("+asyncpg", ""), autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        command = [sys.executable, "-m", "prefect", "server", "database", "upgrade", "-y"]
        environment = {**os.environ, "PREFECT_API_DATABASE_CONNECTION_URL": address}
        if subprocess.run(command, env=environment, check=False).returncode:
            raise SystemExit("Prefect's database was not brought up to date; see above.")


if __name__ == "__main__":
    migrate(os.environ["PREFECT_API_DATABASE_CONNECTION_URL"])
