"""What all tests share: a home of their own, and the sample data that may lie beside the project."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests import fuzzing, services
from tests.store.s3_server import s3_bucket, s3_endpoint

__all__ = ["s3_bucket", "s3_endpoint"]
"""Fixtures for everyone."""

INPUTS = "broken inputs tried"
LONG_FILES = (
    "test_dying.py",
    "test_backend_way.py",
    "test_readme.py",
    "test_production.py",
    "test_prediction_runs.py",
    "test_faults.py",
    "test_run.py",
    "test_faults_with_zenml.py",
    "test_stateful.py",
)
"""Of one to three minutes. The process that began one of them last would work alone in the end."""

PROJECT = Path(__file__).resolve().parent.parent

settings.register_profile("fair-models", deadline=None)  # how quick the machine is, is no test
settings.load_profile("fair-models")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side, with their own servers and workers
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait must not spin


def shared_folder() -> Path:
    return Path(os.environ.get("FAIR_SHARED", PROJECT.parent / "shared"))


def require(folder: Path, what: str) -> Path:
    """The folder; where it is missing the test is skipped, or fails when nothing may be skipped."""
    if folder.is_dir():
        return folder
    reason = f"needs {what} in {folder}; set FAIR_SHARED to the folder that has it"
    if os.environ.get("FAIR_REQUIRE_ALL") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real chips and labels (Banepa, Nepal)."""
    return require(shared_folder() / "data" / "banepa", "the Banepa sample")


@pytest.fixture(scope="session")
def shared_schemas() -> Path:
    """The official STAC extension schemas, laid out as a cache."""
    return require(shared_folder() / "stac-schemas", "the official schemas")


@pytest.fixture(scope="session")
def postgres() -> Iterator[services.Postgres]:
    """A PostgreSQL server with pgstac, of these tests alone; each test makes databases of its own."""
    folder = services.programs()
    if folder is None:
        reason = "needs PostgreSQL with PostGIS; Debian has it as postgresql-postgis"
        pytest.fail(reason) if os.environ.get("FAIR_REQUIRE_ALL") == "1" else pytest.skip(reason)
    with services.postgres(folder) as server:
        yield server


@pytest.fixture
def shared_pgstac_url(postgres: services.Postgres) -> str:
    """Address of an empty catalogue, in a database that tests use in turn."""
    return postgres.emptied()


@pytest.fixture
def pgstac_url(postgres: services.Postgres) -> Iterator[str]:
    """Address of an empty catalogue in a database of its own."""
    url = postgres.catalog()
    yield url
    postgres.drop(url)


@pytest.fixture
def empty_url(postgres: services.Postgres) -> Iterator[str]:
    """Address of a database with nothing in it."""
    url = postgres.empty()
    yield url
    postgres.drop(url)


@pytest.fixture(scope="session", autouse=True)
def home_for_tests(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """No test touches the state of the checkout."""
    home = tmp_path_factory.mktemp("home")
    os.environ["FAIR_HOME"] = str(home)
    os.environ["ZENML_CONFIG_PATH"] = str(home / "zenml")
    os.environ["ZENML_ANALYTICS_OPT_IN"] = "false"
    os.environ["PREFECT_HOME"] = str(home / "prefect")
    os.environ.pop("PREFECT_API_URL", None)
    return home


@pytest.fixture(scope="module", autouse=True)
def nothing_left_in_production() -> Iterator[None]:
    """Modules of one process share one ZenML: what one promoted is no finding of another's audit."""
    yield
    if "zenml.client" not in sys.modules:
        return
    from fair_models.settings import current
    from fair_models.training.ledger import open_ledger

    ledger = open_ledger(current())
    for model in ledger.models():
        for version in ledger.versions(model):
            if version.stage == "production":
                ledger.set_stage(model, version.number, "archived")


@pytest.fixture(autouse=True)
def environment_stays_as_it_was() -> Iterator[None]:
    """A flow that runs in the process of the tests puts saved blocks into its environment."""
    before = {name: value for name, value in os.environ.items() if name.startswith("FAIR_")}
    yield
    for name in [name for name in os.environ if name.startswith("FAIR_")]:
        del os.environ[name]
    os.environ.update(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where processes share the files: first those of flows, whose servers end with them, then long ones."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(
            key=lambda item: (
                "flows" not in item.path.parts,
                LONG_FILES.index(item.path.name) if item.path.name in LONG_FILES else len(LONG_FILES),
            )
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Note on each test of broken input how many inputs it tried; the note travels between processes."""
    fuzzing.tried = 0
    try:
        return (yield)
    finally:
        if fuzzing.tried:
            item.user_properties.append((INPUTS, fuzzing.tried))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many broken inputs were tried."""
    notes = [
        count
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", "") == "call"
        for name, count in report.user_properties
        if name == INPUTS
    ]
    if notes:
        terminalreporter.write_line(f"{sum(notes)} broken inputs tried in {len(notes)} tests")
