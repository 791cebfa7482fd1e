"""The mapper's tutorial, run as it stands: only the addresses lead to servers of this machine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fair_models.store.digests import checksum_file
from tests.flows.mapped_place import MappedPlace, serving
from tests.test_readme import free_port

PROJECT = Path(__file__).resolve().parent.parent
MAPPED = "85.519919,27.628837,85.527366,27.633395"
UNMAPPED = "85.527366,27.628837,85.530112,27.633395"
OF_A_CHECKOUT = ("make test", "source .venv/bin/activate")


def commands(place: MappedPlace, folder: Path) -> str:
    """All commands of the tutorial, for this place."""
    text = (PROJECT / "docs" / "tutorials" / "mapper.md").read_text(encoding="utf-8")
    lines = "\n".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).splitlines()
    script = "\n".join(line for line in lines if not line.startswith(OF_A_CHECKOUT))
    host = place.web.url().rstrip("/")
    for said, here in {
        "https://tiles.openaerialmap.org": host,
        "https://overpass-api.de": host,
        "https://api-prod.raw-data.hotosm.org": host,
        MAPPED: place.mapped,
        UNMAPPED: place.unmapped,
        "my-area/predicted": str(folder / "predicted"),
        "sample my-chips": f"sample {folder / 'my-chips'}",
        "my-chips/input": str(folder / "my-chips" / "input"),
    }.items():
        assert said in script
        script = script.replace(said, here)
    down, more = "fair-models down\n", script.index("fair-models sample")
    assert script.count(down) == 1
    return script[:more].replace(down, "") + script[more:] + "\nfair-models down\n"


@pytest.mark.service
@pytest.mark.proof
def test_the_commands_of_the_tutorial_work_as_they_stand(tmp_path: Path) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "ZENML_"))},
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "FAIR_HOME": str(tmp_path / "home"),
        "FAIR_PREFECT_PORT": str(free_port()),
        "FAIR_ALLOWED_HOSTS": "127.0.0.1",
    }
    with serving(tmp_path / "web") as place:
        try:
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", commands(place, tmp_path)],
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
        west, south, east, north = (float(each) for each in place.mapped.split(","))
        [query] = place.overpass.queries
        assert f"[bbox:{south:.7f},{west:.7f},{north:.7f},{east:.7f}]" in query
        assert place.raw_data_api.question["filters"]["tags"]["all_geometry"]["join_or"] == {"building": []}
    dataset = json.loads((tmp_path / "home/catalog/datasets/my-area-v1/my-area-v1.json").read_text())
    said = dataset["properties"]
    assert (said["license"], said["fair:imagery_license"]) == ("ODbL-1.0", "CC-BY-4.0")
    assert said["fair:attribution"] == "Desert Flyers"
    assert said["start_datetime"] == "2024-11-05T06:30:00Z"
    assert said["fair:labels_datetime"] == "2026-01-02T03:04:05Z"
    assert "label-report-picture" in dataset["assets"]
    assert "my-roofs-v1" in done.stdout
    found = json.loads((tmp_path / "predicted" / "predictions.geojson").read_text())["features"]
    assert found
    prediction = json.loads((tmp_path / "predicted" / "prediction.json").read_text())
    existing = prediction["assets"]["existing"]
    assert existing["file:checksum"] == checksum_file(tmp_path / "predicted" / "existing.json")
    assert (tmp_path / "predicted" / "preview.png").is_file()
