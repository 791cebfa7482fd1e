"""What a rule yields."""

from __future__ import annotations

from typing import NamedTuple


class Problem(NamedTuple):
    """Something wrong, before the rule's name and severity are added.

    item: Where, e.g. "local-models/roofs-v2".
    message: What is wrong, with the values.
    next_step: What a person should do about it.
    """

    item: str
    message: str
    next_step: str


class Repaired(NamedTuple):
    """Something that a repair did, before the rule's name is added.

    item: Where, as in the finding.
    done: What was done, e.g. "its stage in ZenML is archived now".
    """

    item: str
    done: str
