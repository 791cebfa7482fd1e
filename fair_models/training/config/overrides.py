"""What stands against a search before anything is read or trained for it."""

from __future__ import annotations

from pystac import Item

from fair_models.errors import InvalidHyperparameters
from fair_models.params import SearchParams


def refuse_both(base: Item, params: SearchParams) -> None:
    """Refuse hyperparameters that are to be varied and to stay as they are at once.

    Raises:
        InvalidHyperparameters: There are some; lists them.
    """
    both = [name for name in params.vary if name in params.overrides]
    if both:
        raise InvalidHyperparameters(
            base.id,
            [f"{name} is varied and given one value (--vary and --set); say one of them" for name in both],
        )
