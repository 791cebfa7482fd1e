"""Services of HOT's raw-data-api (https://github.com/hotosm/raw-data-api), by the protocol `LabelService`.

A question is a task: it is posted, waits in a queue, and its answer is a zip file elsewhere, mostly in a
bucket.
"""

from __future__ import annotations

import logging
import re
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fair_models.data.vectors import geojson, vector_files
from fair_models.data.vectors.osm import service_protocol, snapshots
from fair_models.data.vectors.osm.service_protocol import Answer
from fair_models.data.vectors.osm.tags import TagRules
from fair_models.errors import Invalid, InvalidLabels, NotFound, Unavailable
from fair_models.store import locations
from fair_models.store.locations import WebAddress
from fair_models.store.web.policy import DOCUMENT_BYTES, Web
from fair_models.types import BBox, Json

logger = logging.getLogger(__name__)

NAME = "raw-data-api"
FORM = "https://…/v1"
BY_HAND = "download the area as a file, for example from https://export.hotosm.org, and name that"

_ADDRESS = re.compile(r"(.*/(?:v[0-9]+|latest))(?:/snapshot(?:/plain)?)?")
_TASK = re.compile(r"[A-Za-z0-9_-]{1,100}")
_REFUSED = frozenset({400, 401, 403, 406, 413, 422})
_MOST_POLLS = 20
"""How often a task is looked at: some quarter of an hour with the waits of `label_services`."""

_TOLD_EACH = 5
"""After how many looks people are told again that it is waited for."""


def is_service(address: str) -> bool:
    """Whether an address is that of such a service, by its path: its version, or its snapshots."""
    return _ADDRESS.fullmatch(service_protocol.path_of(address)) is not None


def fetch(web: Web, address: str, rules: TagRules, around: BBox) -> Answer:
    """Ask for everything with some tags in an area. See `LabelService`."""
    known = _ADDRESS.fullmatch(service_protocol.path_of(address))
    base = known[1] if known else address
    time = _time(web, base)
    result = _result(web, base, _task(web, base, question(rules, around)))
    features = [each for each in _features(web, base, result) if rules.class_of(each["properties"])]
    return Answer(snapshots.written(features, time), len(features))


def question(rules: TagRules, around: BBox) -> Json:
    """What is posted.

    Keys are asked for with all their values, for the service finds none of several in one tag
    (building=yes;house); what is not wanted is left out here.
    """
    west, south, east, north = around
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "fileName": "fair-models",
        "outputType": "geojson",
        "geometryType": ["point", "line", "polygon"],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "filters": {"tags": {"all_geometry": {"join_or": {key: [] for key in rules.keys}}}},
        "useStWithin": False,  # what reaches over the edge of the area belongs to it
    }


def _time(web: Web, base: str) -> datetime | None:
    """Of when the data is, in UTC; None where the service does not say it."""
    place = locations.parse_web(f"{base}/status/")
    try:
        found = service_protocol.document(
            web.get(place, largest_bytes=DOCUMENT_BYTES).body, place.shown, NAME
        )
        time = datetime.fromisoformat(str(found.get("last_updated", found.get("lastUpdated"))))
    except (NotFound, Invalid, ValueError, OverflowError) as error:
        logger.info("%s does not say of when its data is: %s", place.shown, error)
        return None
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)


def _task(web: Web, base: str, asked: Json) -> str:
    """Put a question into the queue; the id of its task."""
    place = locations.parse_web(f"{base}/snapshot/")
    answer = web.post(place, asked, largest_bytes=DOCUMENT_BYTES, right=(200, 201, 202, *_REFUSED))
    found = service_protocol.document(answer.body, place.shown, NAME)
    if answer.status in _REFUSED:
        raise Invalid(
            f"{place.shown} refuses the question (it says {answer.status}: {_detail(found)}): ask for a "
            "smaller area"
        )
    task = found.get("task_id")
    if not isinstance(task, str) or not _TASK.fullmatch(task):
        raise service_protocol.no_answer(answer.body, place.shown, NAME)
    return task


def _result(web: Web, base: str, task: str) -> Json:
    """Wait for a task; what it says when it is done."""
    place = locations.parse_web(f"{base}/tasks/status/{task}/")
    status = ""
    for polls in range(1, _MOST_POLLS + 1):
        body = web.get(place, largest_bytes=DOCUMENT_BYTES).body
        found = service_protocol.document(body, place.shown, NAME)
        said = found.get("status")
        if not isinstance(said, str):
            raise service_protocol.no_answer(body, place.shown, NAME)
        status = said
        if status == "SUCCESS":
            result = found.get("result")
            if not isinstance(result, dict) or not isinstance(result.get("download_url"), str):
                raise service_protocol.no_answer(body, place.shown, NAME)
            return result
        if status in ("FAILURE", "REVOKED"):
            why = f" ({_detail(found)})" if found.get("result") or found.get("detail") else ""
            raise Unavailable(
                f"{place.shown} says that the task failed{why}: try again later, or ask for a smaller area"
            )
        if polls % _TOLD_EACH == 1:
            logger.warning("%s is making its answer (%s); it is waited for", locations.shown(base), status)
        web.pause(web.retries.wait_s(polls, None))
    raise Unavailable(
        f"{place.shown} says {status} after being asked {_MOST_POLLS} times: the queue of the service may be "
        "full, try again later"
    )


def _features(web: Web, base: str, result: Json) -> list[Json]:
    """The features of the file that a task made."""
    place = _download(base, result["download_url"])
    body = web.get(place, largest_bytes=service_protocol.LARGEST_BYTES).body
    with tempfile.TemporaryDirectory(prefix="fair-labels-") as name:
        path = Path(name) / "answer"
        path.write_bytes(body)
        try:
            with vector_files.unpacked(path) as found:
                return [
                    feature
                    for file, _ in found
                    for feature in geojson.features_of(geojson.document(file), str(path))
                ]
        except InvalidLabels as error:
            reason = error.reasons[0].partition(";")[0]
            raise Unavailable(
                f"{place.shown}, the answer of {locations.shown(base)}, cannot be used, {reason}: try again, "
                "or ask for a smaller area"
            ) from error


def _download(base: str, url: str) -> WebAddress:
    """Where the file of an answer lies; services without a bucket name a path of their own."""
    try:
        return locations.parse_web(locations.joined(base, url if locations.scheme_of(url) else f"/{url}"))
    except Invalid as error:
        raise Invalid(f"{locations.shown(base)} keeps its answer elsewhere. {error}") from error


def _detail(found: Json) -> str:
    """What a service says of an error, in one line."""
    said: Any = found.get("detail") or found.get("result") or found
    if isinstance(said, list):
        said = "; ".join(str(each.get("msg", each)) if isinstance(each, dict) else str(each) for each in said)
    return " ".join(str(said).split())[:300]
