"""Requests that schemathesis makes up: none breaks the STAC API, all answers are as described."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

CHECKS = (
    "not_a_server_error",
    "content_type_conformance",
    "status_code_conformance",
    "response_schema_conformance",
)


@pytest.mark.proof
@pytest.mark.service
def test_no_request_breaks_the_stac_api(served: SimpleNamespace, tmp_path: Path) -> None:
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run", f"{served.address}/api/openapi.json"),
        *("--include-path-regex", "^/(stac|metrics)", "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "25", "--checks", ",".join(CHECKS), "--suppress-health-check", "all"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:]
    tested = re.search(r"Tested: ([0-9]+)", done.stdout)
    assert tested, done.stdout[-5000:]
    assert int(tested[1]) >= 11
