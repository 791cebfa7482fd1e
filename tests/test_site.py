"""The documentation site: it builds without a warning, asks no other host, and its reference is complete."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from docs.site import imports, reference
from fair_models import outcomes
from fair_models.audit.rules import RULES
from fair_models.cli.commands import COMMANDS
from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.registry import Registry

PROJECT = Path(__file__).resolve().parent.parent
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data"}
"""Attributes whose address a browser fetches by itself."""


class Addresses(HTMLParser):
    """What a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in LOADED:
            self.found.append(given.get(LOADED[tag]) or "")
        if tag == "link" and given.get("rel") not in {"canonical", "prev", "next"}:
            self.found.append(given.get("href") or "")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site. Warnings are errors: links, headings, pages outside of the navigation."""
    folder = tmp_path_factory.mktemp("site") / "built"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


class Site:
    """A server that shows a folder, and says what browsers asked of it and wanted of other hosts."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.elsewhere: list[str] = []
        seen = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *given: Any) -> None:
                super().__init__(*given, directory=str(folder))

            def end_headers(self) -> None:
                self.send_header("Content-Security-Policy", f"{POLICY}; report-uri /elsewhere")
                super().end_headers()

            def do_GET(self) -> None:
                seen.asked.append(self.path)
                super().do_GET()

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                seen.elsewhere.append(json.loads(body)["csp-report"]["blocked-uri"])
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


POLICY = "default-src 'self' 'unsafe-inline' data: blob:"
"""What a page may fetch: a browser reports the rest to the server, and does not fetch it."""


def browse(folder: Path, pages: list[str], profile: Path) -> Site:
    """Open pages of a folder in a browser, all in one window."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        reason = "needs Chromium; Debian has it as chromium"
        pytest.fail(reason) if os.environ.get("FAIR_REQUIRE_ALL") == "1" else pytest.skip(reason)
    frames = "".join(f'<iframe src="{page}"></iframe>' for page in pages)
    (folder / "frames.html").write_text(f"<!doctype html>{frames}", encoding="utf-8")
    site = Site(folder)
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
    options += [f"--user-data-dir={profile}", "--virtual-time-budget=10000", "--dump-dom"]
    try:
        subprocess.run(
            [browser, *options, f"{site.address}/frames.html"], capture_output=True, check=True, timeout=600
        )
    finally:
        site.server.shutdown()
        (folder / "frames.html").unlink()
    return site


def test_no_page_and_no_style_names_a_file_of_another_host(site: Path) -> None:
    pages, wrong = 0, []
    for page in site.rglob("*.html"):
        pages += 1
        parser = Addresses()
        parser.feed(page.read_text(encoding="utf-8"))
        wrong += [(page.name, found) for found in parser.found if re.match(r"(https?:)?//", found)]
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8")
        wrong += [(style.name, found) for found in re.findall(r"url\(\s*[\"']?((?:https?:)?//[^)]*)", text)]

    assert pages > 50
    assert wrong == []


@pytest.mark.proof
def test_a_browser_that_opens_every_page_asks_no_other_host(site: Path, tmp_path: Path) -> None:
    pages = sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html"))

    seen = browse(site, pages, tmp_path)

    assert {f"/{page}" for page in pages} <= set(seen.asked)
    assert seen.elsewhere == []


def test_a_page_that_asks_another_host_is_found(tmp_path: Path) -> None:
    page = "<!doctype html><script>document.write('<img src=\"https://elsewhere.example/a.png\">')</script>"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "page.html").write_text(page, encoding="utf-8")

    seen = browse(tmp_path / "site", ["page.html"], tmp_path / "profile")

    assert seen.elsewhere == ["https://elsewhere.example/a.png"]


def test_search_finds_words_of_generated_pages(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {
        entry["location"].partition("#")[0]
        for entry in index["docs"]
        if "FAIR_ALLOWED_HOSTS" in entry["text"]
    }
    assert "reference/settings.html" in found


def test_the_reference_has_all_that_the_code_has() -> None:
    pages = reference.pages()
    for commands in COMMANDS.values():
        for name in commands:
            assert f"`fair-models {name}`" in pages["cli.md"]
    for name in Settings.model_fields:
        assert f"`FAIR_{name.upper()}`" in pages["settings.md"]
    for name in outcomes.OUTCOMES:
        assert f"## `{name}`" in pages["parameters.md"]
        assert f"`{name}`" in pages["outcomes.md"]
        assert all(
            f"| `{column}` |" in pages["outcomes.md"] for column in outcomes.OUTCOMES[name].model_fields
        )
    for rule in RULES:
        assert f"`{rule.name}`" in pages["audit-rules.md"]
    for path, operations in service_paths().items():
        for method in operations:
            assert f"### `{method.upper()} {path}`" in pages["http-api.md"]


def service_paths() -> dict[str, dict[str, object]]:
    app = create_app(Registry.open(Settings(home=Path("/nonexistent"))))
    paths: dict[str, dict[str, object]] = app.openapi()["paths"]
    assert "/api/models/{reference}" in paths
    return paths


def test_the_picture_shows_each_package_and_no_arrow_upwards() -> None:
    imported = imports.dependencies()
    packages = {path.parent.name for path in (PROJECT / "fair_models").glob("*/__init__.py")}
    assert set(imported) == packages | {"flows", "blocks", "models"}
    level = imports.levels(imported)
    arrows = imports.direct(imported)
    assert ("cli", "web") in arrows
    assert ("cli", "store") not in arrows  # what a chain of arrows says too
    assert [(one, two) for one, two in arrows if level[one] <= level[two]] == []
