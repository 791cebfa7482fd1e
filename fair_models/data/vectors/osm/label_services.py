"""Asks services for OpenStreetMap's data of an area, politely, as its labels or what is mapped already."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from fair_models.data.vectors.osm import overpass_service, raw_data_service
from fair_models.data.vectors.osm.service_protocol import SECONDS, LabelService
from fair_models.data.vectors.osm.tags import TagRules
from fair_models.errors import Invalid, InvalidLabels, NotFound, Unavailable
from fair_models.store import locations
from fair_models.store.web.connections import Timeouts
from fair_models.store.web.policy import RetryPolicy, Web
from fair_models.types import BBox

KNOWN: tuple[LabelService, ...] = (overpass_service, raw_data_service)

LARGEST_AREA = 0.25
"""Square degrees that are asked for at most: about 50 km by 50 km."""

FORMS = " or ".join(f"{service.NAME} ({service.FORM})" for service in KNOWN)
"""The services that are known by their addresses, in words."""

_TIMEOUTS = Timeouts(step_s=SECONDS + 30.0, total_s=900.0)
_RETRIES = RetryPolicy(at_once=1, per_second=1.0, attempts=3, first_wait_s=5.0, tells=True)
"""A public service answers 429 and 504 while it is busy, for some ten seconds mostly. Runs ask again."""


def find(address: str) -> LabelService | None:
    """The kind of service that an address names; None for a file, and for any other address."""
    if not locations.is_web(address):
        return None
    return next((service for service in KNOWN if service.is_service(address)), None)


def require(address: str) -> LabelService:
    """The kind of service that an address on the web names, if it may be asked.

    Raises:
        Invalid: It names none, or its host is not allowed.
    """
    service = find(address)
    if service is None:
        raise Invalid(
            f"{locations.shown(address)} is no service of OpenStreetMap's data that is known by its address: "
            f"name {FORMS}, or download the file and name that"
        )
    locations.parse_web(address)
    return service


def ask(
    address: str,
    rules: TagRules,
    around: BBox,
    destination: Path,
    retries: RetryPolicy = _RETRIES,
    *,
    may_be_empty: bool = False,
) -> Path:
    """Ask for everything with some tags in an area. The answer is written whole or not at all.

    Args:
        address: The service, such as https://overpass-api.de/api/interpreter.
        rules: The tags.
        around: West, south, east, north, in degrees.
        destination: File for the answer.
        retries: How often it is asked.
        may_be_empty: Whether nothing is an answer too.

    Returns:
        The file: JSON that `polygons.read` takes.

    Raises:
        Invalid: The address is not allowed, the area is too large or reaches over 180 degrees, or the service
            refuses the question.
        InvalidLabels: There is nothing with these tags, or too much.
        Unavailable: The service is busy, does not answer, breaks off, or answers something else.
    """
    service, shown = require(address), locations.shown(address)
    box = ", ".join(f"{each:.5f}" for each in around)
    west, south, east, north = around
    if west > east:
        raise Invalid(f"{shown} is not asked over 180°, as ({box}) reaches: give an area on one side of it")
    if (east - west) * (north - south) > LARGEST_AREA:
        raise Invalid(
            f"{shown} is not asked for ({box}), which is more than {LARGEST_AREA:g} square degrees: give a "
            "smaller area, or cut an extract of OpenStreetMap with osmium extract and name that file"
        )
    with _told(service.BY_HAND), closing(Web(retries, _TIMEOUTS)) as web:
        answer = service.fetch(web, address, rules, around)
    if not answer.count and not may_be_empty:
        raise InvalidLabels(
            shown,
            [
                f"OpenStreetMap has nothing with {rules.told(rules.classes)} within ({box}) (west, south, "
                "east, north); choose other tags or another area, or map it first"
            ],
        )
    destination.write_bytes(answer.body)
    return destination


@contextmanager
def _told(by_hand: str) -> Iterator[None]:
    """Errors of the network with the way by hand."""
    try:
        yield
    except InvalidLabels:
        raise
    except Unavailable as error:
        raise Unavailable(f"{error}. Or {by_hand}") from error
    except (Invalid, NotFound) as error:
        raise Invalid(f"{error}. Or {by_hand}") from error
