"""How quick the STAC API is, beside stac-fastapi-pgstac over the same database.

    python -m benchmarks.stac_api [items] [clients] [seconds]

Fills a local catalogue and one in pgstac with the same items (default 10000), starts one process of each
service, and lets clients (default 16) ask for items by id and for first pages of searches, some seconds each
(default 8). Prints p50 and p99 of the times in ms, and the requests per second. It needs PostgreSQL with
PostGIS. Clients, service and database share the machine.
"""

from __future__ import annotations

import asyncio
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import aiohttp
import httpx
from pydantic import SecretStr
from pystac import Item

from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.pgstac.catalog import PgstacCatalog
from fair_models.catalog.protocol import Catalog, Change
from tests import services
from tests.catalog.item_factory import local_item

_BATCH = 1000
_SEARCH = "A_CONTAINS(keywords, ('road')) AND \"fair:building_iou\" > 0.5 AND deprecated = false"
_OURS = ("fair_models.web.server:application", "/stac", "/health/live")
_THEIRS = ("stac_fastapi.pgstac.app:create_app", "", "/_mgmt/ping")

Ask = Callable[[random.Random], str]
"""Path and query of the next request."""


def main() -> None:
    """Measure and print."""
    count, clients, seconds = (
        int(sys.argv[at]) if len(sys.argv) > at else default for at, default in ((1, 10_000), (2, 16), (3, 8))
    )
    folder = services.programs()
    if folder is None:
        raise SystemExit("PostgreSQL with PostGIS is needed: Debian has it as postgresql-postgis")
    print(f"{count} items, {clients} clients, {seconds} s each; ms")
    with tempfile.TemporaryDirectory() as home, services.postgres(folder) as server:
        url = server.catalog()
        pgstac = PgstacCatalog(SecretStr(url))
        for catalog in (LocalCatalog(Path(home) / "catalog"), pgstac):
            fill(catalog, count)
        pgstac.database.close()
        places = {
            "local": (_OURS, {"FAIR_HOME": home}),
            "pgstac": (_OURS, {"FAIR_HOME": home, "FAIR_CATALOG": url}),
            "stac-fastapi-pgstac": (_THEIRS, _variables(url)),
        }
        for name, (service, environment) in places.items():
            with running(service, environment) as root:
                for asked, ask in requests_of(count).items():
                    print(f"{name:20} {asked:8} {measured(root, ask, clients, seconds)}", flush=True)


def fill(catalog: Catalog, count: int) -> None:
    """Publish items that differ as models do."""
    chance = random.Random(1)
    raw = local_item().to_dict(include_self_link=False, transform_hrefs=False)
    for start in range(0, count, _BATCH):
        numbers = range(start, min(count, start + _BATCH))
        catalog.commit(Change(put=[_item(raw, number, chance) for number in numbers]))


def requests_of(count: int) -> dict[str, Ask]:
    """What clients ask for."""
    searched = httpx.QueryParams({"filter": _SEARCH, "filter-lang": "cql2-text", "limit": 10})
    return {
        "item": lambda chance: f"/collections/local-models/items/model-{chance.randrange(count)}-v1",
        "search": lambda chance: f"/search?collections=local-models&{searched}",
        "page": lambda chance: "/search?collections=local-models&limit=10",
    }


def measured(root: str, ask: Ask, clients: int, seconds: float) -> str:
    """Times of requests that clients send one after the other, all clients at once."""
    times = sorted(asyncio.run(_load(root, ask, clients, seconds)))
    p50, p99 = statistics.median(times), times[int(len(times) * 0.99) - 1]
    return f"p50 {p50 * 1000:7.1f}   p99 {p99 * 1000:7.1f}   {len(times) / seconds:7.0f} requests/s"


async def _load(root: str, ask: Ask, clients: int, seconds: float) -> list[float]:
    times: list[float] = []

    async def client(number: int) -> None:
        chance = random.Random(number)
        while time.perf_counter() < end:
            began = time.perf_counter()
            async with session.get(f"{root}{ask(chance)}") as answer:
                await answer.read()
                answer.raise_for_status()
            times.append(time.perf_counter() - began)

    async with aiohttp.ClientSession() as session:
        for _ in range(20):  # what is made at the first request
            async with session.get(f"{root}{ask(random.Random())}") as answer:
                await answer.read()
        end = time.perf_counter() + seconds
        await asyncio.gather(*(client(number) for number in range(clients)))
    return times


@contextmanager
def running(service: tuple[str, str, str], environment: dict[str, str]) -> Iterator[str]:
    """Root of the STAC API of a service, in one process, for the time of the block."""
    application, path, alive = service
    port = services.free_port()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "uvicorn", application, "--factory", "--port", str(port)),
            *("--no-access-log", "--log-level", "warning"),
        ],
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    root = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                if httpx.get(f"{root}{alive}").is_success:
                    break
            except httpx.TransportError:
                time.sleep(0.1)
            if process.poll() is not None:
                raise SystemExit(f"{application} did not start")
        yield f"{root}{path}"
    finally:
        process.terminate()
        process.wait(30)


def _item(raw: dict[str, object], number: int, chance: random.Random) -> Item:
    item = Item.from_dict(raw, preserve_dict=True, migrate=False)
    west, south = chance.uniform(-170, 170), chance.uniform(-80, 80)
    east, north = west + 0.01, south + 0.01
    item.id, item.bbox = f"model-{number}-v1", [west, south, east, north]
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    item.geometry = {"type": "Polygon", "coordinates": [ring]}
    item.datetime = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    item.properties |= {
        "mlm:name": f"model-{number}",
        "title": f"Model {number}",
        "keywords": ["road"] if number % 10 == 0 else ["building"],
        "fair:building_iou": chance.random(),
    }
    return item


def _variables(url: str) -> dict[str, str]:
    parts = urlsplit(url)
    return {
        "PGUSER": parts.username or "",
        "PGPASSWORD": unquote(parts.password or ""),
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port),
        "PGDATABASE": parts.path.lstrip("/"),
    }


if __name__ == "__main__":
    main()
