"""Feedback: what people say of the polygons of a prediction, and the chips and labels that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import orjson
import shapely
from shapely import STRtree

from fair_models.data import antimeridian, geojson
from fair_models.data.chips import Chip
from fair_models.errors import InvalidFeedback, InvalidLabels
from fair_models.store import documents
from fair_models.types import Array, Json

Verdict = Literal["accepted", "rejected", "corrected", "added"]
"""What is said of a polygon.

accepted: It is right as it was predicted.
rejected: There is nothing of its class.
corrected: There is something, as this outline or class has it.
added: The model did not find it; it has no id.
"""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
CLASS_PROPERTY = "class"
"""Property of the labels that names their class, as in predictions."""

_SHOWN = 5


@dataclass(frozen=True)
class Predicted:
    """A polygon of a prediction, in longitude and latitude."""

    outline: shapely.Geometry
    class_name: str


@dataclass(frozen=True)
class Feedback:
    """Verdicts, joined to what was predicted.

    labels: Outlines and class names of what is there: accepted, corrected and added.
    judged: Outlines that somebody looked at, as predicted and as corrected.
    open: Outlines of the prediction without a verdict.
    verdicts: Number of polygons by verdict.
    """

    labels: Sequence[tuple[shapely.Geometry, str]]
    judged: Sequence[shapely.Geometry]
    open: Sequence[shapely.Geometry]
    verdicts: Mapping[str, int]


def read(
    path: Path, prediction: Mapping[str, str], predicted: Mapping[str, Predicted], classes: Sequence[str]
) -> Feedback:
    """Read verdicts and join them to a prediction by the ids of its polygons.

    An accepted or rejected polygon counts as it was predicted, whatever outline stands in the feedback.

    Args:
        path: GeoJSON: polygons with the property `verdict`, and the ids that they have in the prediction.
            Those without a verdict count as not looked at.
        prediction: What the file may say of the prediction in members of the same name: `fair:prediction`
            (its id) and `fair:checksum` (digest of the judged file).
        predicted: The prediction's polygons by id.
        classes: Classes that there are, without the background.

    Raises:
        InvalidFeedback: It is no GeoJSON in longitude and latitude, or does not fit the prediction; lists
            every reason.
    """
    features = _features(path)
    joined = [_join(feature, number, predicted, classes) for number, feature in enumerate(features)]
    reasons = [*_other_prediction(path, prediction), *_unknown(joined), *_shortened(joined), *_twice(joined)]
    said = [each for each in joined if each.verdict is not None]
    if not reasons and not said:
        reasons = [
            f"none of its {len(features)} features has a verdict; give polygons the property verdict, one of "
            f"{', '.join(VERDICTS)}"
        ]
    if reasons:
        raise InvalidFeedback(str(path), reasons)
    known = {each.id for each in said}
    labels = [(each.outline, each.class_name) for each in said if each.verdict != "rejected"]
    return Feedback(
        labels=labels,
        judged=[
            *(outline for outline, _ in labels),
            *(predicted[each.id].outline for each in said if each.id in predicted),
        ],
        open=[each.outline for key, each in predicted.items() if key not in known],
        verdicts=Counter(each.verdict for each in said if each.verdict is not None),
    )


def reviewed(chips: Sequence[Chip], feedback: Feedback) -> list[Chip]:
    """Chips of which somebody said everything: something on them was judged, and nothing is left open.

    On others a polygon without a verdict would be taught as background, or ground that nobody looked at.
    """
    judged, left = _touched(chips, feedback.judged), _touched(chips, feedback.open)
    return [
        chip
        for chip, is_judged, is_open in zip(chips, judged, left, strict=True)
        if is_judged and not is_open
    ]


def write_labels(feedback: Feedback, path: Path) -> None:
    """Write what is there as GeoJSON labels, the class in `CLASS_PROPERTY`."""
    features = [
        {
            "type": "Feature",
            "geometry": orjson.Fragment(shapely.to_geojson(outline)),
            "properties": {CLASS_PROPERTY: class_name},
        }
        for outline, class_name in feedback.labels
    ]
    path.write_bytes(orjson.dumps({"type": "FeatureCollection", "features": features}))


def _features(path: Path) -> list[Json]:
    if not path.is_file():
        raise InvalidFeedback(str(path), ["there is no such file; name the GeoJSON with the verdicts"])
    try:
        return geojson.features(path)
    except InvalidLabels as error:
        raise InvalidFeedback(str(path), error.reasons) from error


@dataclass(frozen=True)
class _Joined:
    """One feature of the feedback.

    wrong: What stands against it; empty where nothing does.
    is_unknown: Whether its id is none of the prediction's.
    """

    wrong: str = ""
    is_unknown: bool = False
    verdict: str | None = None
    id: str = ""
    outline: shapely.Geometry | None = None
    class_name: str = ""


def _join(feature: Json, number: int, predicted: Mapping[str, Predicted], classes: Sequence[str]) -> _Joined:
    properties = feature["properties"]
    verdict = properties.get("verdict")
    if verdict in (None, ""):
        return _Joined()
    key = _key(feature)
    what = f"feature {number}" + (f" (id {key})" if key else "")
    if verdict not in VERDICTS:
        return _Joined(f"{what} has the verdict {verdict!r}; use {', '.join(VERDICTS)}")
    if verdict == "added":
        return _drawn(feature, what, _Joined(verdict=verdict), "", classes)
    if not key:
        return _Joined(f"{what} has no id, so nobody knows what is {verdict}; keep the prediction's ids")
    if key not in predicted:
        return _Joined(is_unknown=True, id=key)
    found = predicted[key]
    outline, _ = geojson.polygon(feature.get("geometry"))
    if outline is not None and not shapely.intersects(outline, found.outline):
        return _Joined(
            f"{what} lies elsewhere than the prediction's polygon of this id; is it feedback on another one?"
        )
    if verdict == "corrected":
        joined = _Joined(verdict=verdict, id=key)
        return _drawn(feature, what, joined, found.class_name, classes)
    return _Joined(verdict=verdict, id=key, outline=found.outline, class_name=found.class_name)


def _drawn(feature: Json, what: str, joined: _Joined, known: str, classes: Sequence[str]) -> _Joined:
    """A polygon that people drew: corrected or added."""
    outline, problem = geojson.polygon(feature.get("geometry"))
    if outline is None:
        return _Joined(f"{what} is {joined.verdict} and has no polygon ({problem}); draw one, or reject it")
    name = feature["properties"].get(CLASS_PROPERTY) or known or (classes[0] if len(classes) == 1 else "")
    if not isinstance(name, str) or name not in classes:
        return _Joined(f"{what} has the class {name!r}; set {CLASS_PROPERTY} to one of {', '.join(classes)}")
    return _Joined(verdict=joined.verdict, id=joined.id, outline=outline, class_name=name)


def _key(feature: Json) -> str:
    """The id of a feature as text; editors keep it as a member or as a property."""
    for said in (feature.get("id"), feature["properties"].get("id")):
        if isinstance(said, int | str) and not isinstance(said, bool) and str(said):
            return str(said)
        if isinstance(said, float) and said.is_integer():
            return str(int(said))
    return ""


def _other_prediction(path: Path, prediction: Mapping[str, str]) -> Iterator[str]:
    document: Any = documents.read_json(path, documents.Limits(geojson.MAX_BYTES, geojson.MAX_DEPTH))
    for member, here in prediction.items():
        said = document.get(member, here)
        if said != here:
            yield f"its {member} is {said}, the prediction's is {here}; name the prediction that it is of"


def _unknown(joined: Sequence[_Joined]) -> list[str]:
    ids = [each.id for each in joined if each.is_unknown]
    if not ids:
        return []
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return [
        f"the prediction has no polygons with the ids {', '.join(ids[:_SHOWN])}{more}; name the prediction "
        "that was judged, and keep its ids"
    ]


def _shortened(joined: Sequence[_Joined]) -> list[str]:
    wrong = [each.wrong for each in joined if each.wrong]
    more = [f"{len(wrong) - _SHOWN} more are wrong"] if len(wrong) > _SHOWN else []
    return [*wrong[:_SHOWN], *more]


def _twice(joined: Sequence[_Joined]) -> list[str]:
    counts = Counter(each.id for each in joined if each.id)
    twice = [key for key, count in counts.items() if count > 1]
    if not twice:
        return []
    shown = ", ".join(twice[:_SHOWN])
    more = f" and {len(twice) - _SHOWN} more" if len(twice) > _SHOWN else ""
    return [f"more than one verdict has the id {shown}{more}; leave one of each, what is new is added"]


def _touched(chips: Sequence[Chip], outlines: Sequence[shapely.Geometry]) -> Array:
    """Which chips share area with any of the outlines, bool, shape (number of chips,)."""
    places = np.array([antimeridian.cut(chip.grid.footprint) for chip in chips])
    if not len(outlines):
        return np.zeros(len(places), dtype=bool)
    shapes = np.array(outlines)
    pairs = STRtree(shapes).query(places, predicate="intersects")
    shared = ~shapely.touches(places[pairs[0]], shapes[pairs[1]])
    return np.isin(np.arange(len(places)), pairs[0][shared])
