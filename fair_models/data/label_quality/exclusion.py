"""Which chips neither train nor evaluate because of their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from fair_models.data.label_quality.report import DOUBTFUL, LabelReport
from fair_models.errors import Invalid
from fair_models.types import Json

NAMED = "named in the request"
"""Why a chip was left out that somebody named."""

MOST_LISTED = 50
"""Chips that an item lists; where there are more, the report's file has them."""

_SHOWN = 3


def choose(wanted: Sequence[str], report: LabelReport) -> dict[str, str]:
    """The chips to leave out, and why, by name.

    Args:
        wanted: Names of chips; `DOUBTFUL` among them means all whose labels are in doubt.
        report: What was found on the chips.

    Raises:
        Invalid: There is no chip of a name; names those that are nearest. Or all chips would be left out.
    """
    known = [each.chip for each in report.chips]
    named = [name for name in dict.fromkeys(wanted) if name != DOUBTFUL]
    if unknown := [name for name in named if name not in set(known)]:
        raise Invalid(
            f"leave_out: {'; '.join(_unknown(name, known) for name in unknown[:_SHOWN])}{_more(unknown)}"
        )
    chosen = {**report.doubtful} if DOUBTFUL in wanted else {}
    for name in named:
        doubt = report.doubtful.get(name)
        chosen[name] = NAMED if doubt is None else f"{NAMED}; {doubt}"
    if chosen and len(chosen) == len(known):
        raise Invalid(f"{too_many(chosen, len(known))}: nothing would be left to learn from")
    return {name: chosen[name] for name in sorted(chosen)}


def facts(left_out: Mapping[str, str]) -> Json:
    """What an item says of the chips that were left out."""
    listed = {"chips": dict(left_out)} if len(left_out) <= MOST_LISTED else {}
    return {"count": len(left_out), **listed}


def note(left_out: Mapping[str, str], total: int) -> str:
    """What people are told; empty where no chip was left out."""
    if not left_out:
        return ""
    shown = "; ".join(f"{name}: {reason}" for name, reason in list(left_out.items())[:_SHOWN])
    return f"{len(left_out)} of {total} chips neither train nor evaluate. {shown}{_more(left_out)}"


def too_many(left_out: Mapping[str, str], total: int) -> str:
    """That a dataset cannot do without the chips that are left out, and what to do."""
    first = next(iter(left_out.items()))
    return (
        f"leave_out: {len(left_out)} of {total} chips would be left out (for example {first[0]}: {first[1]}),"
        " and what is left cannot be used; correct the labels, or leave fewer chips out"
    )


def _unknown(name: str, known: Sequence[str]) -> str:
    near = get_close_matches(name, [*known, DOUBTFUL], n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"the first of {len(known)} is {known[0]}"
    return f"there is no chip {name}; {hint}"


def _more(listed: Mapping[str, str] | Sequence[str]) -> str:
    return f"; and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
