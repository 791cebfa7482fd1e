"""From what the windows of a strip say to features, with what reaches into the next strip held back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.inference.outlines import vectorise
from fair_models.inference.outlines.features import Features, concatenate, none
from fair_models.inference.outlines.regions import RegionFinder, Regions
from fair_models.inference.outlines.suppression import Suppressor
from fair_models.inference.parts import NO_IMAGERY
from fair_models.inference.request import PredictionRequest
from fair_models.inference.windowing import masks
from fair_models.inference.windowing.detections import mean_scores
from fair_models.inference.windowing.plan import Strip
from fair_models.inference.windowing.run import WindowResult
from fair_models.types import Array


@dataclass(frozen=True)
class Outlined:
    """What one strip brought to an end.

    strip: The strip.
    features: Features that are finished now.
    rasters: Classes and confidence of its pixels, uint8, where they were asked for.
    """

    strip: Strip
    features: Features
    rasters: tuple[Array, Array] | None


class Outliner:
    """Outlines what was found, strip by strip and block by block. It has to get them in their order.

    Args:
        request: What is predicted.
        as_raster: Whether masks are kept pixel by pixel too.
    """

    def __init__(self, request: PredictionRequest, as_raster: bool) -> None:
        self._request = request
        self._as_raster = as_raster
        self._finder: RegionFinder | None = None
        self._suppressor = Suppressor(request.overlap)
        self._scores: dict[str, list[tuple[int, Mapping[str, float]]]] = {}

    def add(self, strip: Strip, windows: Sequence[WindowResult]) -> Outlined:
        """Go on with a strip and what its windows say."""
        block, outline = strip.block, self._request.outline
        features = [
            vectorise.polygons(regions, block.grid, block.names_at, outline)
            for regions in self._regions(strip, windows)
        ]
        features += [
            vectorise.boxes_and_points(found, block.grid, block.names_at, outline, self._request.as_points)
            for found in self._suppressor.add(strip, windows)
        ]
        for window in windows:
            if window.scores:
                self._scores.setdefault(window.source, []).extend(window.scores)
        if strip.is_last:
            features.append(self._scored(strip))
            self._finder, self._scores = None, {}
        rasters = _rasters(strip, windows) if self._as_raster else None
        return Outlined(strip, concatenate(features), rasters)

    def _regions(self, strip: Strip, windows: Sequence[WindowResult]) -> list[Regions]:
        area = strip.area
        if self._finder is None:
            self._finder = RegionFinder(area.width)
        found = [self._finder.add(masks.joined([window.runs for window in windows]), area.row + area.height)]
        if strip.is_last:
            found.append(self._finder.end(area.row + area.height))
        return found

    def _scored(self, strip: Strip) -> Features:
        request, block = self._request, strip.block
        scores = {source: mean_scores(weighted) for source, weighted in self._scores.items()}
        if not scores:
            return none()
        areas = block.sources(request.input.size_px)
        return vectorise.scored(scores, areas, block.grid, request.classes, request.threshold)


def _rasters(strip: Strip, windows: Sequence[WindowResult]) -> tuple[Array, Array]:
    shape = strip.area.height, strip.area.width
    classes, confidence = np.full(shape, NO_IMAGERY, np.uint8), np.full(shape, NO_IMAGERY, np.uint8)
    for window in windows:
        if window.raster is not None:
            place = window.raster.area.seen_from(strip.area.row, 0).slices
            classes[place], confidence[place] = window.raster.classes, window.raster.confidence
    return classes, confidence
