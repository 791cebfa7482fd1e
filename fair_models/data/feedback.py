"""Feedback: what people say of the polygons of a prediction, and the chips and labels that follow from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import orjson
import shapely
from shapely import STRtree

from fair_models.data import lost_ids
from fair_models.data.images import antimeridian
from fair_models.data.images.chips import Chip
from fair_models.data.lost_ids import Predicted
from fair_models.data.vectors import labels, polygons
from fair_models.data.vectors.labels import CLASS_PROPERTY
from fair_models.data.vectors.polygons import Feature
from fair_models.errors import InvalidFeedback, InvalidLabels
from fair_models.types import Array

Verdict = Literal["accepted", "rejected", "corrected", "added"]
"""What is said of a polygon.

accepted: It is right as it was predicted.
rejected: There is nothing of its class.
corrected: There is something, as this outline or class has it.
added: The model did not find it; it has no id.
"""

VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
REPAIRS = {
    **polygons.REPAIRS,
    "matched_by_outline": "features without id were matched by their outline",
}
"""What `Feedback.mended` counts, in words that follow a number."""

VERDICT = "verdict"
"""Property of a polygon that says what somebody found."""

_OF_PREDICTED: tuple[Verdict, ...] = ("accepted", "rejected", "corrected")

_SHOWN = 5
_MIN_APART = 0.1
"""Pieces of one polygon share less than this part of the smaller one; what shares more is the same twice."""


@dataclass(frozen=True)
class Feedback:
    """Verdicts, joined to what was predicted.

    labels: Outlines and class names of what is there: accepted, corrected and added.
    reviewed: Outlines that somebody looked at, as predicted and as corrected.
    open: Outlines of the prediction without a verdict.
    verdicts: Number of polygons by verdict; one that was split counts once.
    mended: What was mended or left out on reading, by the names of `REPAIRS`.
    """

    labels: Sequence[tuple[shapely.Geometry, str]]
    reviewed: Sequence[shapely.Geometry]
    open: Sequence[shapely.Geometry]
    verdicts: Mapping[str, int]
    mended: Mapping[str, int] = field(default_factory=dict)


def read(
    path: Path, prediction: Mapping[str, str], predicted: Mapping[str, Predicted], classes: Sequence[str]
) -> Feedback:
    """Read verdicts and join them to a prediction by the ids of its polygons.

    A polygon whose id was lost on the way is the predicted one that has its outline and class, where there is
    exactly one.

    An accepted or rejected polygon counts as it was predicted, whatever outline stands in the feedback.
    Pieces of a polygon that was split share its id: where all have one verdict of these two it is the
    polygon's, else the pieces that are not rejected count as they are drawn.

    Args:
        path: A file of polygons (see `polygons.read`) with the property `verdict`, in any case, and the ids
            that they have in the prediction. Those without a verdict count as not looked at.
        prediction: What a GeoJSON may say of the prediction in members of the same name: `fair:prediction`
            (its id) and `fair:checksum` (digest of the reviewed file).
        predicted: The prediction's polygons by id.
        classes: Classes that there are, without the background.

    Raises:
        InvalidFeedback: It is no file of polygons, or does not fit the prediction; lists every reason.
    """
    features, without_id = _recognised(_features(path), predicted)
    joined = [
        _join(feature, number, predicted, classes, without_id.get(number, ()))
        for number, feature in enumerate(features)
    ]
    said, twice = _pieces_together(joined, predicted)
    reasons = [*_other_prediction(path, prediction), *_unknown(joined), *_shortened(joined), *_twice(twice)]
    if not reasons and not said:
        reasons = [
            f"none of its {len(features)} features has a verdict; give polygons the property {VERDICT}, one "
            f"of {', '.join(VERDICTS)}"
        ]
    if reasons:
        raise InvalidFeedback(str(path), reasons)
    known = {each.id for each in said}
    labels = [(each.outline, each.class_name) for each in said if each.verdict != "rejected"]
    return Feedback(
        labels=labels,
        reviewed=[
            *(outline for outline, _ in labels),
            *(predicted[key].outline for key in known if key in predicted),
        ],
        open=[
            *(each.outline for key, each in predicted.items() if key not in known),
            *(each.outline for each in joined if each.is_open_piece and each.id in known),
        ],
        verdicts=_counted(said),
        mended=polygons.counted(features)
        + Counter(matched_by_outline=sum(len(ids) == 1 for ids in without_id.values())),
    )


def reviewed(chips: Sequence[Chip], feedback: Feedback) -> list[Chip]:
    """Chips of which somebody said everything: something on them was reviewed, and nothing is left open.

    On others a polygon without a verdict would be taught as background, or ground that nobody looked at.
    """
    reviewed, left = _touched(chips, feedback.reviewed), _touched(chips, feedback.open)
    return [
        chip
        for chip, is_reviewed, is_open in zip(chips, reviewed, left, strict=True)
        if is_reviewed and not is_open
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


def _features(path: Path) -> list[Feature]:
    if not path.exists():
        raise InvalidFeedback(str(path), ["there is no such file; name the GeoJSON with the verdicts"])
    try:
        return polygons.read(path)
    except InvalidLabels as error:
        raise InvalidFeedback(str(path), error.reasons) from error


def _recognised(
    features: Sequence[Feature], predicted: Mapping[str, Predicted]
) -> tuple[list[Feature], dict[int, list[str]]]:
    """Features with the ids that their outlines tell, and what was found for each that had none."""
    verdicts = [_verdict(feature) for feature in features]
    numbers = [
        number
        for number, feature in enumerate(features)
        if not feature.id and verdicts[number] in _OF_PREDICTED
    ]
    found = lost_ids.ids_at(
        [features[number] for number in numbers],
        [verdicts[number] == "corrected" for number in numbers],
        predicted,
    )
    without_id = dict(zip(numbers, found, strict=True))
    named = [
        replace(feature, id=ids[0]) if len(ids := without_id.get(number, [])) == 1 else feature
        for number, feature in enumerate(features)
    ]
    return named, without_id


def _verdict(feature: Feature) -> Verdict | None:
    said = str(polygons.named(feature.properties, VERDICT)).strip().lower()
    return next((each for each in VERDICTS if each == said), None)


@dataclass(frozen=True)
class _Joined:
    """One feature of the feedback.

    wrong: What stands against it; empty where nothing does.
    is_unknown: Whether its id is none of the prediction's.
    outline: What is there, if it stands; as predicted where that was accepted.
    drawn: The outline as it stands in the feedback.
    is_open_piece: Whether it is a polygon of the prediction, or a piece of it, without a verdict.
    """

    wrong: str = ""
    is_unknown: bool = False
    verdict: Verdict | None = None
    id: str = ""
    outline: shapely.Geometry | None = None
    class_name: str = ""
    drawn: shapely.Geometry | None = None
    is_open_piece: bool = False


def _join(
    feature: Feature,
    number: int,
    predicted: Mapping[str, Predicted],
    classes: Sequence[str],
    alike: Sequence[str],
) -> _Joined:
    said = polygons.named(feature.properties, VERDICT)
    key = feature.id
    if said is None or (isinstance(said, str) and not said.strip()):
        is_open = key in predicted and feature.outline is not None
        return _Joined(id=key, outline=feature.outline, is_open_piece=is_open)
    verdict = _verdict(feature)
    what = f"feature {number}" + (f" (id {key})" if key else "")
    if verdict is None:
        return _Joined(f"{what} has the verdict {said!r}; use {', '.join(VERDICTS)}")
    if verdict == "added":
        return _drawn(feature, what, _Joined(verdict=verdict), "", classes)
    if not key:
        return _Joined(_without_id(what, verdict, alike))
    if key not in predicted:
        return _Joined(is_unknown=True, id=key)
    found = predicted[key]
    if feature.outline is not None and not shapely.intersects(feature.outline, found.outline):
        return _Joined(
            f"{what} lies elsewhere than the prediction's polygon of this id; is it feedback on another one?"
        )
    joined = _Joined(verdict=verdict, id=key, class_name=found.class_name, drawn=feature.outline)
    if verdict == "corrected":
        return _drawn(feature, what, joined, found.class_name, classes)
    return replace(joined, outline=found.outline)


def _without_id(what: str, verdict: Verdict, alike: Sequence[str]) -> str:
    """Why nobody knows which polygon is meant, and what to do.

    Args:
        what: The feature, in words.
        verdict: What is said of it.
        alike: Ids of the polygons that have its outline; none or several.
    """
    seen = (
        f"its outline is that of {len(alike)} polygons (ids {', '.join(alike[:_SHOWN])})"
        if alike
        else "no predicted polygon has its outline and class"
    )
    new = "" if alike else ", or give what is new the verdict added"
    return (
        f"{what} has no id, and {seen}, so nobody knows what is {verdict}; keep the prediction's ids, which "
        f"are the property {polygons.ID}{new}"
    )


def _drawn(feature: Feature, what: str, joined: _Joined, known: str, classes: Sequence[str]) -> _Joined:
    """A polygon that people drew: corrected or added."""
    if feature.outline is None:
        problem = ", ".join(feature.happened)
        return _Joined(f"{what} is {joined.verdict} and has no polygon ({problem}); draw one, or reject it")
    said = labels.class_said(feature.properties) or known or (classes[0] if len(classes) == 1 else "")
    name = next((each for each in classes if each.lower() == str(said).strip().lower()), None)
    if name is None:
        return _Joined(f"{what} has the class {said!r}; set {CLASS_PROPERTY} to one of {', '.join(classes)}")
    return replace(joined, outline=feature.outline, class_name=name, drawn=feature.outline)


def _pieces_together(
    joined: Sequence[_Joined], predicted: Mapping[str, Predicted]
) -> tuple[list[_Joined], list[str]]:
    """What was said of each polygon, once, and the ids of those with verdicts that contradict each other."""
    by_id: dict[str, list[_Joined]] = {}
    said = []
    for each in joined:
        if each.verdict is None or each.wrong or each.is_unknown:
            continue
        if each.id:
            by_id.setdefault(each.id, []).append(each)
        else:
            said.append(each)
    twice = []
    for key, listed in by_id.items():
        pieces = list({(each.verdict, each.drawn and each.drawn.wkb): each for each in listed}.values())
        alike = {each.verdict for each in pieces}
        if len(pieces) == 1 or (len(alike) == 1 and alike <= {"accepted", "rejected"}):
            said.append(pieces[0])
        elif _are_apart(pieces):
            kept = [each for each in pieces if each.verdict != "rejected"]
            said += [replace(each, verdict="corrected", outline=each.drawn) for each in kept]
        else:
            twice.append(key)
    return said, twice


def _are_apart(pieces: Sequence[_Joined]) -> bool:
    """Whether outlines are pieces of one that was split, and not the same twice."""
    drawn = [each.drawn for each in pieces if each.drawn is not None]
    return len(drawn) == len(pieces) and not any(
        shapely.intersection(one, other).area > _MIN_APART * min(one.area, other.area)
        for one, other in combinations(drawn, 2)
    )


def _counted(said: Sequence[_Joined]) -> Counter[str]:
    """Verdicts; the pieces of one polygon count once."""
    once = {(each.verdict, each.id or str(number)): each for number, each in enumerate(said)}
    return Counter(each.verdict for each in once.values() if each.verdict is not None)


def _other_prediction(path: Path, prediction: Mapping[str, str]) -> Iterator[str]:
    document: Any = polygons.document_of(path)
    for member, here in prediction.items():
        said = document.get(member, here) if isinstance(document, dict) else here
        if said != here:
            yield f"its {member} is {said}, the prediction's is {here}; name the prediction that it is of"


def _unknown(joined: Sequence[_Joined]) -> list[str]:
    ids = [each.id for each in joined if each.is_unknown]
    if not ids:
        return []
    more = f" and {len(ids) - _SHOWN} more" if len(ids) > _SHOWN else ""
    return [
        f"the prediction has no polygons with the ids {', '.join(ids[:_SHOWN])}{more}; name the prediction "
        "that was reviewed, and keep its ids"
    ]


def _shortened(joined: Sequence[_Joined]) -> list[str]:
    wrong = [each.wrong for each in joined if each.wrong]
    more = [f"{len(wrong) - _SHOWN} more are wrong"] if len(wrong) > _SHOWN else []
    return [*wrong[:_SHOWN], *more]


def _twice(twice: Sequence[str]) -> list[str]:
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
