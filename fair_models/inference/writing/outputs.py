"""The files of one prediction: what the formats ask for, written as features and strips come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np

from fair_models.inference.outlines.features import Features
from fair_models.inference.parts import NO_IMAGERY, SCALE
from fair_models.inference.repeating import ID_PROPERTY
from fair_models.inference.writing.geoparquet import GeoParquetSink, features_in
from fair_models.inference.writing.layers import write_flatgeobuf, write_geojson, write_pmtiles
from fair_models.inference.writing.number_rasters import KIND, NO_DATA, NumberFiles
from fair_models.inference.writing.preview import draw
from fair_models.inference.writing.rasters import Kind, RasterFiles, class_colour
from fair_models.inference.writing.sidecar import OutputFile, output_file

if TYPE_CHECKING:
    from fair_models.inference.imagery.reading import Block

PARQUET = "predictions.parquet"
GEOJSON = "predictions.geojson"
FLATGEOBUF = "predictions.fgb"
PMTILES = "predictions.pmtiles"
PREVIEW = "preview.png"

_KINDS: tuple[Kind, ...] = ("classes", "confidence")

_DERIVED: Mapping[str, tuple[str, str, Callable[[Path, Path], None]]] = {
    "geojson": (GEOJSON, "Features (GeoJSON)", write_geojson),
    "flatgeobuf": (FLATGEOBUF, "Features (FlatGeobuf)", write_flatgeobuf),
    "pmtiles": (PMTILES, "Features as vector tiles (PMTiles)", write_pmtiles),
}
"""Vector files that are made of the GeoParquet: name, title, and how."""


@dataclass(frozen=True)
class Tally:
    """What was written.

    counts: Features by class name, all classes except a background without features.
    area_m2: Area of all features that are not background.
    """

    counts: Mapping[str, int]
    area_m2: float


class Outputs:
    """The files of one prediction. Use it in a `with` block, and `finish` it.

    Args:
        folder: Where the files are made.
        formats: Which ones, of `request.FORMATS`.
        classes: Class names; the position is the index.
        blocks: The imagery.
        plain_ids: Whether ids are properties in GeoJSON too.
    """

    def __init__(
        self,
        folder: Path,
        formats: Sequence[str],
        classes: Sequence[str],
        blocks: Sequence[Block],
        *,
        plain_ids: bool = True,
    ) -> None:
        self._plain_ids = plain_ids
        self._folder, self._formats, self._classes, self._blocks = folder, formats, classes, blocks
        self._counts: Counter[int] = Counter()
        self._area_m2 = 0.0
        self._sink = GeoParquetSink(folder / PARQUET, classes)
        kinds = [kind for kind in _KINDS if kind in formats]
        self._rasters = RasterFiles(folder, kinds, classes, blocks)
        self._numbers = NumberFiles(folder, blocks)

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._sink.abandon()
            self._rasters.abandon()
            self._numbers.abandon()

    @property
    def rasters(self) -> list[RasterFiles | NumberFiles]:
        """Where strips go: none where no raster was asked for."""
        pixels = [self._rasters] if self._rasters.kinds else []
        return [*pixels, *([self._numbers] if KIND in self._formats else [])]

    @property
    def tally(self) -> Tally:
        """Counts and area of what was written so far."""
        counts = {
            name: self._counts[index]
            for index, name in enumerate(self._classes)
            if index or self._counts[index]
        }
        return Tally(counts, self._area_m2)

    def write(self, features: Features) -> None:
        """Add features."""
        self._counts.update(features.classes.tolist())
        self._area_m2 += float(np.sum(features.area_m2[features.classes > 0]))
        self._sink.write(features)
        self._numbers.add(len(features))

    def finish(self, caption: str, doing: Callable[[str], None]) -> list[OutputFile]:
        """Write what is made of the whole.

        Args:
            caption: One line under the preview.
            doing: Called with what is done next, in words.

        Returns:
            The files.

        Raises:
            Unavailable: A file cannot be written, most often because the disk is full.
        """
        doing("writing vectors")
        self._sink.close()
        files = [
            *self._parquet(),
            *(file for name in _DERIVED for file in self._derived(name)),
            *(file for kind in self._rasters.kinds for file in self._raster_files(kind)),
        ]
        if KIND in self._formats:
            doing("drawing the numbers of instances")
            files += self._number_files()
        if "preview" in self._formats:
            doing("drawing the preview")
            draw(self._blocks, self._read, self._classes, caption, self._folder / PREVIEW)
            files.append(self._file(PREVIEW, "preview", "Features over the imagery", "overview"))
        if "geoparquet" not in self._formats:
            self._sink.path.unlink()
        return files

    def _read(self) -> Any:
        return features_in(self._sink.path, self._classes)

    def _parquet(self) -> list[OutputFile]:
        if "geoparquet" not in self._formats:
            return []
        return [self._file(PARQUET, "geoparquet", "Features (GeoParquet)", "data")]

    def _derived(self, form: str) -> list[OutputFile]:
        if form not in self._formats or (form == "pmtiles" and not self._sink.count):
            return []  # without features there are no tiles
        name, title, make = _DERIVED[form]
        role = "visual" if form == "pmtiles" else "data"
        if form != "geojson":
            make(self._sink.path, self._folder / name)
            return [self._file(name, form, title, role)]
        write_geojson(self._sink.path, self._folder / name, plain_ids=self._plain_ids)
        fields = {ID_PROPERTY: "id"} if self._plain_ids else None
        return [self._file(name, form, title, role, fields=fields)]

    def _raster_files(self, kind: Kind) -> list[OutputFile]:
        paths = self._rasters.paths.get(kind, [])
        title, fields = _raster_fields(kind, self._classes)
        return [self._file(path.name, path.stem, title, "data", fields=fields) for path in sorted(paths)]

    def _number_files(self) -> list[OutputFile]:
        fields = {
            "description": "id of the feature that the middle of a pixel lies in, 0 where it lies in none",
            "data_type": "uint32",
            "nodata": NO_DATA,
        }
        return [
            self._file(path.name, path.stem, "Number of each pixel's feature (COG)", "data", fields=fields)
            for path in self._numbers.finish(self._sink.path)
        ]

    def _file(self, name: str, key: str, title: str, *roles: str, fields: Any = None) -> OutputFile:
        return output_file(self._folder, name, key, title, *roles, fields=fields)


def _raster_fields(kind: Kind, classes: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Title of a raster, and what its asset says about the values."""
    fields: dict[str, Any] = {"data_type": "uint8", "nodata": NO_IMAGERY}
    if kind == "confidence":
        return "Confidence of each pixel (COG, per cent)", {**fields, "raster:scale": SCALE}
    named = [
        {
            "value": index,
            "name": name,
            "description": name,
            "color_hint": bytes(class_colour(index)).hex().upper(),
        }
        for index, name in enumerate(classes)
    ]
    return "Class of each pixel (COG)", {**fields, "classification:classes": named}
