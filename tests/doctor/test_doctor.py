"""The doctor uses each part, and says in one line what works or what to do."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fair_models.cli.app import app
from fair_models.doctor import checking, machine, registry_places, trackers
from fair_models.errors import FairModelsError, Invalid, Unavailable
from fair_models.settings import current


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, and a Prefect server that nobody has started."""
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    return tmp_path / "home"


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["doctor", *arguments])


def test_a_store_in_a_folder_is_used_and_left_as_it_was(home: Path) -> None:
    assert str(home / "store") in registry_places.store(current())
    assert [path for path in (home / "store").rglob("*") if path.is_file()] == []


def test_a_store_in_a_bucket_is_used_and_left_as_it_was(
    home: Path, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_STORE", f"s3://{s3_bucket}/fair")
    assert f"s3://{s3_bucket}/fair" in registry_places.store(current())
    monkeypatch.setenv("FAIR_STORE", f"s3://{s3_bucket}-gone/fair")
    with pytest.raises(FairModelsError, match=f"{s3_bucket}-gone"):
        registry_places.store(current())


def test_a_catalogue_that_cannot_be_reached_is_told_without_its_password(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no model yet" in registry_places.catalogue(current())
    monkeypatch.setenv("FAIR_CATALOG", "postgresql://fair:hiddenPassword@127.0.0.1:9/pgstac")
    with pytest.raises(Unavailable) as raised:
        registry_places.catalogue(current())
    assert "hiddenPassword" not in str(raised.value)


def test_schemas_that_are_required_and_absent_are_named_with_the_way_to_have_them(
    home: Path, shared_schemas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_OFFICIAL_SCHEMAS", "required")
    monkeypatch.setenv("FAIR_SCHEMA_CACHE", str(shared_schemas))
    assert "are there" in registry_places.official_schemas(current())
    from fair_models.doctor.registry_places import schemas

    monkeypatch.setattr(
        schemas, "check", lambda item, folder: schemas.OfficialResult([], ["https://x/a.json"])
    )
    with pytest.raises(Invalid, match="neither cached"):
        registry_places.official_schemas(current())


def test_zenml_is_used_with_the_stack_that_the_settings_ask_for(home_for_tests: Path) -> None:
    assert "stack default" in trackers.zenml(current())


def test_mlflow_is_used_down_to_its_files_and_always_in_one_run(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
    assert trackers.mlflow(current()) == trackers.mlflow(current())
    with sqlite3.connect(home / "mlflow" / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(Unavailable, match="MLFLOW_TRACKING_URI"):
        trackers.mlflow(current())


def test_a_full_disk_is_told_before_it_is_full(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "GB are free" in machine.disk(current())
    monkeypatch.setattr(machine, "LEAST_FREE_BYTES", 10**18)
    with pytest.raises(FairModelsError, match="Make room"):
        machine.disk(current())


def test_gdal_and_extras_are_there(home: Path) -> None:
    assert "writes and reads" in machine.gdal(current())
    assert "torch" in machine.extras(current())


def test_without_a_server_the_rest_is_checked_and_the_exit_code_is_1(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    light = {name: use for name, use in checking.CHECKS.items() if name not in {"ZenML", "MLflow"}}
    monkeypatch.setattr(checking, "CHECKS", light)
    people, program = run(), run("--json")
    assert (people.exit_code, program.exit_code) == (1, 1)
    assert "WRONG  Prefect: No Prefect server answers at http://127.0.0.1:9/api" in people.stdout
    assert len(people.stdout.strip().splitlines()) == len(light)
    said = json.loads(program.stdout)
    assert said["works"] is False
    wrong = [each["part"] for each in said["checks"] if not each["works"]]
    assert wrong == ["Prefect", "work pools", "deployments"]


def test_a_check_that_breaks_keeps_no_other_from_its_turn(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: Any) -> str:
        raise ZeroDivisionError("with postgresql://me:hiddenOne@db and hiddenTwo")

    monkeypatch.setenv("FAIR_CATALOG", "postgresql://me:hiddenOne@db/x")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hiddenTwo")
    monkeypatch.setattr(checking, "CHECKS", {"a": broken, "b": lambda settings: "fine\nindeed"})
    first, second = checking.check(current())
    assert (first.works, first.says) == (False, "ZeroDivisionError: with postgresql://me:***@db and ***")
    assert (second.works, second.says) == (True, "fine indeed")


def test_all_works_where_all_works(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "CHECKS", {"disk": machine.disk})
    assert run().exit_code == 0
