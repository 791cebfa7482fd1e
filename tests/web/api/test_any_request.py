"""Requests that schemathesis makes up: none breaks the JSON API, and all answers are as described."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.web.api.sites import Site

CHECKS = (
    "not_a_server_error",
    "content_type_conformance",
    "status_code_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
)
EXPECTED = """
[checks.negative_data_rejection]
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 414, 415, 422, 428, 431]
"""
ROUTES = "^/api/(models|datasets|compare|statistics|files|collections)"


@pytest.mark.proof
@pytest.mark.service
def test_no_request_breaks_the_json_api(own_site: Site, tmp_path: Path) -> None:
    (tmp_path / "schemathesis.toml").write_text(EXPECTED)
    command = [
        *(str(Path(sys.executable).with_name("schemathesis")), "run"),
        f"{own_site.http.base_url}/api/openapi.json",
        *("--include-path-regex", ROUTES, "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", "10", "--checks", ",".join(CHECKS), "--suppress-health-check", "all"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=900)
    assert done.returncode == 0, done.stdout[-5000:]
    tested = re.search(r"Tested: ([0-9]+)", done.stdout)
    assert tested, done.stdout[-5000:]
    assert int(tested[1]) >= 25
