"""Where reports are kept: files for those who come later, and for programs without Prefect.

A report is written to a new file, or in place of an earlier report. Nothing else is ever replaced.
"""

from __future__ import annotations

import json
from pathlib import Path

from fair_models.audit.findings import Report
from fair_models.errors import Conflict, Invalid, Unavailable
from fair_models.store import locations
from fair_models.store.atomic import encode_json, write_bytes, write_new

MARKDOWN, JSON = ".md", ".json"

_LARGEST = 100_000_000
"""Bytes of a file that may be an earlier report."""


def check(destination: str | None) -> Path | None:
    """Refuse a file that no report may be written to, before an audit is made for it.

    Returns:
        The file; None where none was named.

    Raises:
        Invalid: It ends in neither .json nor .md, or lies where nothing may be written.
        Conflict: Something else than a report lies there.
        Unavailable: It cannot be looked at.
    """
    if destination is None:
        return None
    path = locations.output_path(destination)
    if {path.suffix, Path(destination).suffix} - {MARKDOWN, JSON}:
        raise Invalid(f"A report is written as .json or .md, and {destination} ends in neither: rename it")
    if path.exists() and not _is_report(path):
        raise Conflict(f"{path} exists and is no report of an audit: name a new file, nothing is overwritten")
    return path


def write(report: Report, destination: str | None, folder: Path) -> Path:
    """Write a report.

    Args:
        report: What an audit found.
        destination: The file, .json or .md; an earlier report is replaced. None writes both under `folder`.
        folder: Where reports are kept by the time of their audit: 20261121T031500Z.json.

    Returns:
        The file; of two the JSON.

    Raises:
        Invalid: The file ends in neither .json nor .md, or lies where nothing may be written.
        Conflict: Something else than a report lies there.
        Unavailable: The disk is full, read-only or not ours to write.
    """
    path = check(destination)
    if path is not None:
        return _write(report, path)
    path = folder / f"{report.started:%Y%m%dT%H%M%SZ}.json"
    _write(report, path.with_suffix(MARKDOWN))
    return _write(report, path)


def _write(report: Report, path: Path) -> Path:
    content = report.to_markdown().encode() if path.suffix == MARKDOWN else encode_json(report.to_json())
    if path.exists() and _is_report(path):
        write_bytes(path, content)
    else:
        write_new(path, content)
    return path


def _is_report(path: Path) -> bool:
    """Whether a file is one that an audit has written."""
    try:
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return False
        content = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}. Check the permissions") from error
    if path.suffix == MARKDOWN:
        return content.startswith(b"# Audit\n\n") and b" Items checked: " in content[:1000]
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(said, dict) and said.keys() >= _MEMBERS and not _OF_OTHERS & said.keys()


_MEMBERS = frozenset({"ok", "started", "counts", "checked", "rules", "skipped", "findings"})
_OF_OTHERS = frozenset({"type", "stac_version"})
