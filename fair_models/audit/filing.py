"""Where reports are kept: files for those who come later, and for programs without Prefect."""

from __future__ import annotations

from pathlib import Path

from fair_models.audit.findings import Report
from fair_models.errors import Invalid
from fair_models.store.atomic import write_bytes, write_json

MARKDOWN, JSON = ".md", ".json"


def check(destination: str | None) -> None:
    """Refuse a file whose ending says no format, before an audit is made for it.

    Raises:
        Invalid: It ends in neither .json nor .md.
    """
    if destination is not None and Path(destination).suffix not in (MARKDOWN, JSON):
        raise Invalid(f"A report is written as .json or .md, and {destination} ends in neither: rename it")


def write(report: Report, destination: str | None, folder: Path) -> Path:
    """Write a report.

    Args:
        report: What an audit found.
        destination: The file, .json or .md; replaced where it exists. None writes both under `folder`.
        folder: Where reports are kept by the time of their audit: 20261121T031500Z.json.

    Returns:
        The file; of two the JSON.

    Raises:
        Invalid: The file ends in neither .json nor .md.
        Unavailable: The disk is full, read-only or not ours to write.
    """
    check(destination)
    if destination is not None:
        return _write(report, Path(destination).expanduser())
    path = folder / f"{report.started:%Y%m%dT%H%M%SZ}.json"
    _write(report, path.with_suffix(MARKDOWN))
    return _write(report, path)


def _write(report: Report, path: Path) -> Path:
    if path.suffix == MARKDOWN:
        write_bytes(path, report.to_markdown().encode())
    else:
        write_json(path, report.to_json())
    return path
