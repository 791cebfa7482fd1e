import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

OPEN = """
from fair_models.settings import current
from fair_models.training.process.environment import zenml_client
print(zenml_client(current()).active_user.name)
"""


@pytest.mark.parametrize("stamped", [False, True])
def test_a_set_up_that_was_killed_does_not_spoil_zenml_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stamped: bool
) -> None:
    store = tmp_path / "zenml" / "local_stores" / "default_zen_store"
    store.mkdir(parents=True)
    with closing(sqlite3.connect(store / "zenml.db")) as half:
        half.execute("CREATE TABLE user (id TEXT)")
        if stamped:
            half.execute("CREATE TABLE alembic_version (version_num TEXT)")
    monkeypatch.setenv("FAIR_HOME", str(tmp_path))
    monkeypatch.delenv("ZENML_CONFIG_PATH", raising=False)

    first = subprocess.run([sys.executable, "-c", OPEN], capture_output=True, text=True, check=False)
    assert first.returncode == 0, first.stderr
    assert first.stdout.split()[-1] == "default"
    assert (store / "zenml.db.half-made").is_file()

    (store / "zenml.db.half-made").unlink()
    again = subprocess.run([sys.executable, "-c", OPEN], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert not (store / "zenml.db.half-made").exists()
