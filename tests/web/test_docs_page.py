"""The page that shows the API, and the files of others that it loads."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from fair_models.web.docs import FOLDER
from tests.web.serving import serving

VENDOR = FOLDER / "vendor"
VENDORED = json.loads((VENDOR / "vendored.json").read_text(encoding="utf-8"))


def test_all_that_the_page_loads_comes_from_the_service(http: httpx.Client) -> None:
    page = http.get("/api/docs")
    assert page.headers["content-type"].startswith("text/html")
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(loaded) == 4
    for each in loaded:
        assert not each.startswith(("http", "//", "/"))
        answer = http.get(str(httpx.URL("http://x/api/docs").join(each).raw_path, "ascii"))
        assert answer.status_code == 200
    assert "<script>" not in page.text  # the policy of the service runs no script within a page
    assert http.get("/static/../app.py").status_code == 404
    assert http.get("/static/nothing.js").headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("package", VENDORED, ids=[each["name"] for each in VENDORED])
def test_files_of_others_are_those_that_were_taken_over_and_have_their_licence(
    package: dict[str, object],
) -> None:
    folder = VENDOR / str(package["folder"])
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert found == package["sha256"]
    assert "LICENSE" in found


def test_no_folder_of_others_is_without_a_note() -> None:
    folders = {path.name for path in VENDOR.iterdir() if path.is_dir()}
    assert folders == {str(each["folder"]) for each in VENDORED}


@pytest.mark.service
def test_a_browser_shows_the_routes_and_asks_nobody_else(app: FastAPI, tmp_path: Path) -> None:
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        reason = "needs Chromium; Debian has it as chromium"
        pytest.fail(reason) if os.environ.get("FAIR_REQUIRE_ALL") == "1" else pytest.skip(reason)
    quiet = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    quiet += ["--disable-component-update", "--disable-sync", "--disable-gpu", f"--user-data-dir={tmp_path}"]
    with serving(app) as address:
        done = subprocess.run(
            [
                chromium,
                "--headless=new",
                *quiet,
                "--virtual-time-budget=15000",
                "--dump-dom",
                f"{address}/api/docs",
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    assert "/stac/collections/{collection_id}/items/{item_id}" in done.stdout.replace("\u200b", "")
    assert "Content Security Policy" not in done.stderr
    assert "Failed to load API definition" not in done.stdout
