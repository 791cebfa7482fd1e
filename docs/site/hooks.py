"""Hooks of mkdocs (see mkdocs.yml): generated pages, and links of the repository that lead to pages."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

from docs.site import imports, reference  # noqa: E402

SOURCES = "https://github.com/hotosm/fair-models/blob/main"
PROJECT_PAGES = {
    "CONTRIBUTING.md": "project/contributing.md",
    "CHANGELOG.md": "project/changelog.md",
    "SECURITY.md": "project/security.md",
}
"""Documents at the root of the repository, and the pages that show them."""

LINK = re.compile(r"(?<=\]\()(?![a-z]+:)([^)\s#]+)(#[^)\s]*)?(?=\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that are generated from the code, and those of the documents at the root."""
    made = {f"reference/{name}": text for name, text in reference.pages().items()}
    made |= {page: (PROJECT / name).read_text(encoding="utf-8") for name, page in PROJECT_PAGES.items()}
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Write links anew that leave docs/: to the page of that document, else to the file in the repository."""
    sources = {page: name for name, page in PROJECT_PAGES.items()}
    uri = page.file.src_uri
    folder = posixpath.dirname(sources.get(uri, f"docs/{uri}"))

    def led(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(folder, found[1]))
        anchor = found[2] or ""
        if path in PROJECT_PAGES:
            path = f"docs/{PROJECT_PAGES[path]}"
        if not path.startswith("docs/"):
            return f"{SOURCES}/{path}{anchor}"
        return posixpath.relpath(path.removeprefix("docs/"), posixpath.dirname(uri)) + anchor

    markdown = LINK.sub(led, markdown)
    if imports.MARKER in markdown:
        markdown = markdown.replace(imports.MARKER, imports.picture())
    return markdown
