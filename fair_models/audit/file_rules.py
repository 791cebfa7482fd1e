"""Rules over what lies on disk: the files of a catalogue in a folder, its index, and what crashes leave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from fair_models import settings
from fair_models.audit.findings import Problem, Repaired
from fair_models.audit.scope import Scope
from fair_models.ingestion import cut_folder
from fair_models.publishing.workspace import folders_left
from fair_models.store.leftovers import take_away, unfinished

RESTORE = "Put the file back from a backup. Until then nobody can read or change the catalogue."
LOOK = "Look at it: link it in its collection, or take it away."


def readable(scope: Scope) -> Iterator[Problem]:
    """Files that are missing, or are no STAC."""
    survey = scope.reading.survey
    for label, reason in scope.unreadable.items():
        yield Problem(label, f"it cannot be read: {reason}", RESTORE)
    for path, reason in survey.broken.items() if survey else ():
        yield Problem(path, f"it cannot be read: {reason}", RESTORE)


def unlinked(scope: Scope) -> Iterator[Problem]:
    """Item files that are no part of the catalogue, because their collection has no link to them."""
    survey = scope.reading.survey
    for path in survey.unlinked if survey else ():
        yield Problem(path, f"{path.partition('/')[0]}/collection.json does not link to it", LOOK)


def index(scope: Scope) -> Iterator[Problem]:
    """An index that says otherwise than the files."""
    survey = scope.reading.survey
    if survey and survey.stale:
        shown = ", ".join(survey.stale[:5])
        more = f" and {len(survey.stale) - 5} more" if len(survey.stale) > 5 else ""
        yield Problem(
            "catalogue",
            f"its index is behind the files about {shown}{more}",
            "fair-models audit --repair makes it again from the files.",
        )


def behind(scope: Scope) -> Iterator[Problem]:
    """Collections whose extent, summaries or links are not those of their items."""
    survey = scope.reading.survey
    for collection, sentences in survey.behind.items() if survey else ():
        for sentence in sentences:
            yield Problem(collection, sentence, "fair-models audit --repair writes the collection again.")


def leftovers(scope: Scope) -> Iterator[Problem]:
    """What a crash left: a change that was interrupted, folders of work that nobody does any more."""
    survey = scope.reading.survey
    if survey and survey.interrupted:
        yield Problem(
            "catalogue",
            "a change was interrupted; whoever reads next finishes or forgets it, and this audit did",
            "Nothing, but look why a process died.",
        )
    for name in (*map(str, _left(scope)), *scope.store.unfinished(_youngest(scope))):
        yield Problem(
            name,
            "work that was interrupted left this",
            "fair-models audit --repair takes it away.",
        )


def clear(scope: Scope) -> Iterator[Repaired]:
    """Take away what interrupted work left: no item names it."""
    for path in [*cut_folder.take_away_expired(scope.moment), *take_away(_left(scope))]:
        yield Repaired(str(path), "it was taken away")
    for name in scope.store.abandon(scope.store.unfinished(_youngest(scope))):
        yield Repaired(name, "it was taken away")


def _left(scope: Scope) -> list[Path]:
    """Folders of work and of cuts, and unfinished files in the cache, that nobody touched for long."""
    folders = [*_old_folders(scope), *cut_folder.expired(scope.moment)]
    files = unfinished(settings.current().cache_folder, _youngest(scope))
    return [*folders, *(path for path in files if not any(folder in path.parents for folder in folders))]


def _youngest(scope: Scope) -> datetime:
    """What was touched since then may be somebody's."""
    return scope.moment - timedelta(hours=scope.params.grace_hours)


def _old_folders(scope: Scope) -> list[Path]:
    return [folder for folder in folders_left() if _changed(folder) < _youngest(scope)]


def _changed(folder: Path) -> datetime:
    """When something in a folder was last changed."""
    try:
        newest = max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))
    except FileNotFoundError:  # somebody works in it
        return datetime.now(UTC)
    return datetime.fromtimestamp(newest, UTC)
