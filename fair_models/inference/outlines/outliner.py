"""From what the windows of a strip say to features, with what reaches into the next strip held back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fair_models.inference.imagery.georeference import pixel_size_m
from fair_models.inference.instances import growth
from fair_models.inference.outlines import near_shapes, vectorise
from fair_models.inference.outlines.features import Features, concatenate, none
from fair_models.inference.outlines.marked_objects import InstanceFinder
from fair_models.inference.outlines.regions import RegionFinder, Regions
from fair_models.inference.outlines.suppression import Suppressor
from fair_models.inference.parts import NO_IMAGERY
from fair_models.inference.request import PredictionRequest
from fair_models.inference.windowing import mask_runs
from fair_models.inference.windowing.detections import mean_scores, wrong
from fair_models.inference.windowing.plan import Strip
from fair_models.inference.windowing.window_steps import WindowResult
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
        remarks: Counts what is to be said of outlines, see `neighbours.REMARKS`.
    """

    def __init__(self, request: PredictionRequest, as_raster: bool, remarks: Counter[str]) -> None:
        self._request = request
        self._remarks = remarks
        self._as_raster = as_raster
        self._finder: RegionFinder | InstanceFinder | None = None
        self._apart: bool | None = None
        self._suppressor = Suppressor(request.overlap)
        self._scores: dict[str, list[tuple[int, Mapping[str, float]]]] = {}

    def add(self, strip: Strip, windows: Sequence[WindowResult]) -> Outlined:
        """Go on with a strip and what its windows say."""
        block, outline = strip.block, self._request.outline
        features = [
            vectorise.polygons(regions, block.grid, block.names_at, outline, self._remarks)
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
        runs = mask_runs.joined([window.runs for window in windows])
        markers = [window.markers for window in windows if window.markers is not None]
        self._check(windows, bool(markers))
        stop = strip.area.row + strip.area.height
        finder = self._finder = self._finder or self._new_finder(strip, windows)
        if finder is None:
            return []
        if isinstance(finder, InstanceFinder):
            found = [finder.add(runs, mask_runs.joined(markers), stop)]
        else:
            found = [finder.add(runs, stop)]
        if strip.is_last:
            found.append(finder.end(stop))
        return found

    def _check(self, windows: Sequence[WindowResult], apart: bool) -> None:
        """See that the model tells objects apart in all windows in which it finds any, or in none."""
        masked = [window for window in windows if len(window.runs)]
        if not apart and not masked:
            return
        if self._apart is None:
            self._apart = apart
        if any((window.markers is not None) != self._apart for window in masked):
            raise wrong("an InstancePart for some windows and a RasterPart for others")

    def _new_finder(
        self, strip: Strip, windows: Sequence[WindowResult]
    ) -> RegionFinder | InstanceFinder | None:
        """What finds the objects of a block; None before one of its windows has said anything."""
        width, request = strip.area.width, self._request
        if any(window.markers is not None for window in windows) and not request.merge:
            pixel_m = pixel_size_m(strip.block.grid)
            reach_px = growth.steps(request.marker_reach_m, max(pixel_m))
            near_px = near_shapes.near_px(request.outline, pixel_m)
            return InstanceFinder(width, reach_px, near_px, request.holes)
        return RegionFinder(width) if any(len(window.runs) for window in windows) else None

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
