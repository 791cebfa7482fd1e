"""The STAC API over each adapter of the catalogue, with a few items in it."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from pydantic import SecretStr
from pystac import Link

from fair_models.catalog.protocol import Change
from fair_models.ownership import OWNER, VISIBILITY
from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.registry import Registry
from tests.catalog.item_factory import base_item, dataset_item, local_item
from tests.catalog.small_items import small_item
from tests.services import Postgres, free_port
from tests.web.serving import serving

FAR = [10.0, 50.0, 11.0, 51.0]
ACROSS = [179.0, -19.0, -179.0, -17.0]
ACROSS_SHAPE = {
    "type": "MultiPolygon",
    "coordinates": [
        [[[179, -19], [180, -19], [180, -17], [179, -17], [179, -19]]],
        [[[-180, -19], [-179, -19], [-179, -17], [-180, -17], [-180, -19]]],
    ],
}


def fill(registry: Registry) -> None:
    """Twelve versions of one model, a far one, one across the antimeridian, a hidden one, and real items."""
    catalog = registry.catalog
    many = [
        small_item(
            f"roofs-v{n}",
            when=datetime(2026, 1, n, tzinfo=UTC),
            title=f"Roofs {n}",
            gsd=n / 10,
            deprecated=n < 12,
            **{"mlm:name": "roofs"},
        )
        for n in range(1, 13)
    ]
    trees = small_item("trees-v1", box=FAR, keywords=["tree"], description="Crowns", **{"mlm:name": "trees"})
    fiji = small_item("fiji-v1", box=ACROSS, **{"mlm:name": "fiji"})
    fiji.geometry = ACROSS_SHAPE
    hidden = small_item("hidden-v1", title="Secret roofs", **{OWNER: "ann", VISIBILITY: "private"})
    catalog.commit(Change(put=[*many, trees, fiji, hidden]))
    catalog.commit(Change(put=[base_item(), dataset_item()]))
    ours = local_item()
    ours.links = [link for link in ours.links if link.rel not in ("derived_from",)]
    ours.add_link(Link("derived_from", catalog.href("base-models", base_item().id)))
    ours.add_link(Link("derived_from", catalog.href("local-models", "hidden-v1"), title="Secret roofs"))
    ours.add_link(Link("about", "/srv/place/of/this/machine.html"))
    catalog.commit(Change(put=[ours]))


@pytest.fixture(scope="module", params=["local", "pgstac"])
def served(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SimpleNamespace]:
    """A running service: its address, a client of it, and its registry. Nobody is signed in."""
    home: Path = tmp_path_factory.mktemp("registry")
    postgres: Postgres | None = None
    settings = Settings(home=home, prefect_port=free_port(), web_auth="tokens", web_anonymous_read=True)
    if request.param == "pgstac":
        postgres = request.getfixturevalue("postgres")
        assert postgres is not None
        settings = settings.model_copy(update={"catalog": SecretStr(postgres.catalog())})
    registry = Registry.open(settings)
    fill(registry)
    with serving(create_app(registry)) as address, httpx.Client(base_url=address, timeout=60) as client:
        yield SimpleNamespace(address=address, root=f"{address}/stac/", http=client, registry=registry)
    if postgres is not None:
        registry.catalog.database.close()  # type: ignore[attr-defined]
        postgres.drop(settings.catalog.get_secret_value())
