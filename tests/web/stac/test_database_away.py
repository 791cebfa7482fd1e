"""The service while the database of its catalogue cannot answer."""

from __future__ import annotations

from pathlib import Path

import httpx
import psycopg
import pytest
from pydantic import SecretStr

from fair_models.settings import Settings
from fair_models.web import health
from fair_models.web.app import create_app
from fair_models.web.registry import Registry
from tests.services import free_port
from tests.web.serving import serving

READY = "/health/ready?part=catalogue&part=store"


def test_it_lives_says_what_is_away_and_answers_again_by_itself(
    tmp_path: Path, pgstac_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "KEPT_S", 0.0)
    settings = Settings(home=tmp_path, catalog=SecretStr(pgstac_url), prefect_port=free_port())
    asked = [READY, "/health/live", "/stac/collections", "/stac/search"]
    registry = Registry.open(settings)
    with serving(create_app(registry)) as address, httpx.Client(base_url=address, timeout=60) as client:
        assert [client.get(each).status_code for each in asked] == [200] * 4
        with psycopg.connect(pgstac_url, autocommit=True) as connection:
            connection.execute("ALTER SCHEMA pgstac RENAME TO elsewhere")
            try:
                assert [client.get(each).status_code for each in asked] == [503, 200, 503, 503]
                told = client.get("/stac/search")
                assert told.headers["content-type"] == "application/problem+json"
                assert told.headers["retry-after"]
                assert "pa:ss" not in told.text
                parts = {each["part"]: each["works"] for each in client.get(READY).json()["parts"]}
                assert parts == {"catalogue": False, "store": True}
            finally:
                connection.execute("ALTER SCHEMA elsewhere RENAME TO pgstac")
        assert [client.get(each).status_code for each in asked] == [200] * 4
    registry.catalog.database.close()  # type: ignore[attr-defined]
