"""What pinning and cleaning hand back, as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fair_models.outcomes import CleanedRuns, PinnedVersion

if TYPE_CHECKING:
    from fair_models.params import CleanRunsParams
    from fair_models.publishing.cleanup import Cleaned
    from fair_models.publishing.pins import Pinned

MOST_ROWS = 1000


def pinned(done: Pinned) -> PinnedVersion:
    """The row of a version that was pinned, or is no more."""
    return PinnedVersion(
        item=done.item,
        pinned=done.pin is not None,
        reason=done.pin.reason if done.pin else None,
        by=done.pin.by if done.pin else None,
        at=done.pin.at if done.pin else None,
        published=done.published,
        changed=bool(done.effects),
    )


def cleaned(params: CleanRunsParams, done: Cleaned) -> CleanedRuns:
    """The row of a cleaning."""
    return CleanedRuns(
        models=done.models,
        looked_at=len(done.decisions),
        deleted=len(done.deleted),
        kept=", ".join(f"{count} {reason}" for reason, count in sorted(done.kept.items())),
        dry_run=params.dry_run,
    )


def cleaned_rows(params: CleanRunsParams, done: Cleaned) -> list[dict[str, Any]]:
    """A row for each version that is old enough, those that go first."""
    from fair_models.publishing.cleanup import YOUNG

    goes = "would be deleted" if params.dry_run else "deleted"
    old = sorted((each for each in done.decisions if each.stays != YOUNG), key=lambda each: bool(each.stays))
    return [
        {
            "version": each.version.id,
            "run": each.version.status,
            "made": f"{each.version.created:%Y-%m-%d %H:%M}",
            "metric": next(iter(each.version.metrics), None),
            "value": next(iter(each.version.metrics.values()), None),
            "what": f"stays: {each.stays}" if each.stays else goes,
        }
        for each in old[:MOST_ROWS]
    ]
