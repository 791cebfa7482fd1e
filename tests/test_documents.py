"""What documents and settings of the project name: modules, files and headings, all of which exist."""

from __future__ import annotations

import importlib
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from docs.site import reference

PROJECT = Path(__file__).resolve().parent.parent
DOCUMENTS = ("*.md", "*.md.tmpl")
TEXTS = (
    *DOCUMENTS,
    "*.tmpl",
    "*.toml",
    "*.yaml",
    "*.yml",
    "*.example",
    "*Dockerfile*",
    "Makefile",
    ".ci/*",
    ".dockerignore",
)
PACKAGES = "fair_models|flows|blocks|deployments|benchmarks"
MODULE = re.compile(rf"(?<![\w./-])(?:{PACKAGES})(?:\.(?!md\b)[A-Za-z_]\w*)+(?![\w/-])")
PATH = re.compile(rf"`((?:{PACKAGES}|docs|schemas|models|tests|\.ci|\.github)/[\w./-]*)`")
LINK = re.compile(r"\]\(([^)\s]+)\)")

NO_MODULES = {"fair_models.tombstones"}
"""A table of the database."""

MADE_BY_READERS = ("models/street_roofs", "deployments/compose/.env", "models/x")
"""What a document has its reader make."""


def texts(patterns: tuple[str, ...]) -> dict[str, str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *patterns],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    files = {name: PROJECT / name for name in listed.stdout.splitlines()}
    return {name: path.read_text(encoding="utf-8") for name, path in files.items() if path.is_file()}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or something in one. Former names of modules do not count."""
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        place = PROJECT.joinpath(*parts[:count])
        if place.is_dir() or place.with_suffix(".py").is_file():
            module = ".".join(parts[:count])
            found = importlib.import_module(module) if count < len(parts) else find_spec(module)
            for part in parts[count:]:
                found = getattr(found, part, None)
            return found is not None
    return False


def anchors(text: str) -> set[str]:
    """The headings of a document as its links name them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_each_module_that_documents_and_settings_name_exists() -> None:
    named = [(file, name) for file, text in texts(TEXTS).items() for name in MODULE.findall(text)]
    wrong = [(file, name) for file, name in named if name not in NO_MODULES and not exists(name)]

    assert len(named) > 150
    assert wrong == []


@pytest.mark.parametrize(
    "name", ["fair_models.nothing", "flows.places", "fair_models.catalog.versions", "fair_models.sdk.Nothing"]
)
def test_a_name_that_does_not_exist_is_found(name: str) -> None:
    assert not exists(name)


def test_each_file_that_documents_name_exists() -> None:
    named = [(file, path) for file, text in texts(DOCUMENTS).items() for path in PATH.findall(text)]
    wrong = [
        (file, path)
        for file, path in named
        if not path.startswith(MADE_BY_READERS) and not (PROJECT / path).exists()
    ]

    assert len(named) > 30
    assert wrong == []


def test_each_link_between_documents_leads_to_a_file_and_a_heading() -> None:
    generated = {f"docs/reference/{name}": text for name, text in reference.pages().items()}
    wrong, links = [], 0
    for file, text in texts(("*.md",)).items():
        for link in LINK.findall(re.sub(r"```.*?```", "", text, flags=re.S)):
            if re.match(r"[a-z]+:", link):
                continue
            links += 1
            path, _, anchor = link.partition("#")
            target = ((PROJECT / file).parent / path).resolve() if path else PROJECT / file
            made = generated.get(target.relative_to(PROJECT).as_posix())
            if (made is None and not target.exists()) or (
                anchor and anchor not in anchors(made or target.read_text(encoding="utf-8"))
            ):
                wrong.append((file, link))

    assert links > 40
    assert wrong == []


def test_contributors_are_told_each_package() -> None:
    table = (PROJECT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    packages = {path.parent.name for path in (PROJECT / "fair_models").glob("*/__init__.py")}

    assert packages == set(re.findall(r"`fair_models/([a-z_]+)`", table))
