"""Processes that publish into one catalogue in pgstac at once: a module that they can import."""

from pydantic import SecretStr

from fair_models.catalog.pgstac.catalog import PgstacCatalog
from fair_models.catalog.protocol import Change
from fair_models.errors import Conflict
from tests.catalog.small_items import small_item


def publish(url: str, writer: int, count: int) -> list[tuple[str, int]]:
    """Versions of roofs that this writer won, with how often somebody else was faster."""
    catalog, won = PgstacCatalog(SecretStr(url)), []
    for _ in range(count):
        tries = 0
        while True:
            current = list(catalog.search("local-models", name="roofs", deprecated=False))
            number = int(current[0].properties["version"]) if current else 0
            for item in current:
                item.properties["deprecated"] = True
            change = Change(
                put=[small_item(f"roofs-v{number + 1}", by=writer), *current],
                expect={("local-models", "roofs"): current[0].id if current else None},
            )
            try:
                catalog.commit(change)
                break
            except Conflict:
                tries += 1
        won.append((f"roofs-v{number + 1}", tries))
    return won
