"""The README's lines of use, run as they stand."""

import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def lines_of_use() -> str:
    """The block under "Use", without the line that activates the environment."""
    text = (PROJECT / "README.md").read_text(encoding="utf-8")
    block = re.search(r"## Use\n+```bash\n(.*?)```", text, re.DOTALL)
    assert block
    first, *rest = block.group(1).splitlines()
    assert first == "source .venv/bin/activate"
    return "\n".join(rest)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.mark.service
@pytest.mark.proof
def test_the_lines_of_use_work_as_they_stand(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ZENML_"))},
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "FAIR_HOME": str(tmp_path / "home"),
        "FAIR_PREFECT_PORT": str(port),
        "FAIR_WEB_PORT": str(free_port()),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
    }
    area = tmp_path / "my-area"
    script = lines_of_use().replace("my-area/", f"{area}/").replace("sample my-area", f"sample {area}")
    try:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=PROJECT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        subprocess.run(
            ["fair-models", "down"], cwd=PROJECT, env=environment, check=False, capture_output=True
        )

    assert done.returncode == 0, done.stdout + done.stderr
    assert (area / "predicted" / "predictions.geojson").is_file()
    assert (area / "predicted" / "preview.png").is_file()
    assert "my-roofs-v1" in done.stdout
