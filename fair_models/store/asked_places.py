"""Checks the places that parameters name, before anything is done with one of them."""

from __future__ import annotations

from pydantic import BaseModel

from fair_models import place_fields
from fair_models.errors import Invalid
from fair_models.store import locations


def check(params: BaseModel) -> None:
    """Hold every place that parameters name against the settings.

    Addresses on the web and of buckets are checked where they are parsed.

    Raises:
        Invalid: A path lies where it may not; names the parameter.
        Unavailable: A path cannot be looked at.
    """
    for where, use, place in place_fields.named(params):
        if use == place_fields.REGISTERED or (
            use == place_fields.READ_OR_TEXT and place_fields.is_inline(place)
        ):
            continue
        if use != place_fields.WRITTEN and "://" in place and locations.scheme_of(place) != "file":
            continue
        try:
            locations.output_path(place) if use == place_fields.WRITTEN else locations.local_path(place)
        except Invalid as error:
            raise Invalid(f"{where}: {error}") from error
