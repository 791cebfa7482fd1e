"""The registry from a notebook: no server, nothing heavy before it is used."""

import subprocess
import sys
from pathlib import Path

import pytest

import fair_models
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.data.synthetic import make_settlement
from fair_models.errors import NotFound
from fair_models.publishing.register.register import register_base_model
from fair_models.settings import current
from fair_models.store.local import LocalStore
from tests.publishing import tiny_contribution

PROJECT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with one registered model, and imagery beside it."""
    folder = tmp_path_factory.mktemp("notebook")
    catalog, store = LocalCatalog(folder / "home" / "catalog"), LocalStore(folder / "home" / "store")
    register_base_model(str(tiny_contribution.write(folder)), catalog, store)
    make_settlement(folder / "town", seed=3, columns=2, rows=2, size_px=64, prediction_columns=0)
    return folder


@pytest.fixture
def home(registry: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FAIR_HOME", str(registry / "home"))
    assert current().home == registry / "home"
    return registry


def test_models_are_listed_and_read_without_a_server(home: Path) -> None:
    elsewhere = fair_models.open_catalog(str(home / "home" / "catalog"))

    assert [item.id for item in fair_models.open_catalog().search("base-models")] == ["tiny-v1"]
    assert fair_models.read_item("tiny").id == "tiny-v1"
    assert fair_models.read_item("tiny", elsewhere).id == "tiny-v1"
    with pytest.raises(NotFound):
        fair_models.read_item("huts")


def test_a_folder_is_predicted_in_this_process(home: Path, tmp_path: Path) -> None:
    found = fair_models.predict("tiny", home / "town" / "input", tmp_path / "out", formats=["geojson"])

    assert (tmp_path / "out" / "predictions.geojson").is_file()
    assert found.folder == tmp_path / "out"
    assert found.item["properties"]["fair:model_id"] == "tiny-v1"


def test_the_document_for_notebooks_can_be_run(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PROJECT / "docs" / "tutorials" / "notebook.md").read_text(encoding="utf-8")
    code = text.partition("```python\n")[2].partition("```")[0]
    (home / "my-area" / "prediction").mkdir(parents=True)
    (home / "my-area" / "prediction" / "input").symlink_to(home / "town" / "input")
    monkeypatch.chdir(home)

    exec(code.replace("my-roofs", "tiny"), {})

    assert (home / "my-area" / "from-python" / "predictions.geojson").is_file()


def test_importing_the_package_loads_nothing_but_python() -> None:
    code = """
import sys
before = set(sys.modules)
import fair_models
dir(fair_models)
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
loaded -= set(sys.stdlib_module_names) | {"fair_models"}
sys.exit(f"importing fair_models loads {sorted(loaded)}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_a_name_that_is_not_offered_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'publish'"):
        _ = fair_models.publish  # type: ignore[attr-defined]
