"""What is mapped already, of a file or as a service of OpenStreetMap's data gives it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fair_models.data.vectors.osm import label_services, tags
from fair_models.errors import InvalidFeatures, InvalidLabels
from fair_models.inference.outlines.exclusion import Exclusion
from fair_models.inference.repeating import EXISTING
from fair_models.inference.request import PredictionRequest
from fair_models.inference.writing import sidecar
from fair_models.inference.writing.sidecar import OutputFile
from fair_models.store.atomic import write_bytes
from fair_models.types import BBox

_FILE = "existing.json"


def with_file(request: PredictionRequest, bounds: BBox, folder: Path) -> PredictionRequest:
    """The request with the answer of its service as a file among the results, so that it can be repeated.

    Args:
        request: What is predicted. The answer of before, where it has one, is taken again.
        bounds: West, south, east, north of the imagery.
        folder: Folder of the results.

    Raises:
        InvalidFeatures: The answer is not all, or too much.
        Invalid, Unavailable: As `label_services.ask` does.
    """
    if not request.exclude_address:
        return request
    path = folder / _FILE
    if request.exclude is not None:
        write_bytes(path, request.exclude.read_bytes())
    else:
        wanted = tags.rules(request.classes[1:])
        try:
            label_services.ask(request.exclude_address, wanted, bounds, path, may_be_empty=True)
        except InvalidLabels as error:
            raise InvalidFeatures(error.subject, error.reasons) from error
    return replace(request, exclude=path)


def exclusion(request: PredictionRequest, bounds: BBox) -> Exclusion | None:
    """The existing features of a request around the imagery; None where it names none."""
    if request.exclude is None:
        return None
    return Exclusion(
        request.exclude,
        request.exclude_overlap,
        bounds,
        request.classes[1:],
        may_be_empty=bool(request.exclude_address),
    )


def files(request: PredictionRequest, folder: Path) -> list[OutputFile]:
    """The file of `with_file`, as the item names it."""
    if not request.exclude_address:
        return []
    title = "Existing features as the service gave them"
    return [sidecar.output_file(folder, _FILE, EXISTING, title, "metadata")]


def notes(request: PredictionRequest, found: Exclusion | None) -> Sequence[str]:
    """That a service has nothing there, which may be a mistake too."""
    if not request.exclude_address or found:
        return []
    asked = tags.rules(request.classes[1:]).told(request.classes[1:])
    return [f"OpenStreetMap has nothing with {asked} there, so nothing was left out"]
