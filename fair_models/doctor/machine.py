"""What this machine has: space, extras, formats."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, version

from fair_models.errors import FairModelsError, Invalid
from fair_models.settings import Settings

LEAST_FREE_BYTES = 2 * 10**9
"""Below this a training or a prediction is likely to fill the disk."""

_EXTRAS = {
    "torch": "trainings need it: pip install 'fair-models[train]'",
    "openvino": "predictions are slower without: pip install 'fair-models[fast]'",
    "boto3": "buckets need it: pip install 'fair-models[aws]'",
    "pypgstac": "catalogues in pgstac need it: pip install 'fair-models[pgstac]'",
}
_RASTERS = ("GTiff", "COG", "JPEG", "PNG", "WEBP", "VRT")
_VECTORS = ("GeoJSON", "FlatGeobuf", "PMTiles")


def disk(settings: Settings) -> str:
    """Look how much space is free for state and for work in progress."""
    folder = next(each for each in (settings.home, *settings.home.parents) if each.exists())
    free = shutil.disk_usage(folder).free
    if free < LEAST_FREE_BYTES:
        raise FairModelsError(
            f"{free / 1e9:.1f} GB are free under {folder}, and trainings need {LEAST_FREE_BYTES / 1e9:.0f}. "
            "Make room (cache/ may be wiped), or move FAIR_HOME"
        )
    return f"{free / 1e9:.0f} GB are free under {folder}"


def extras(settings: Settings) -> str:
    """Say which extras are installed; one that the settings need must be."""
    needed = {"boto3"} if settings.store.startswith("s3://") else set()
    if settings.catalog.get_secret_value().startswith("postgres"):
        needed.add("pypgstac")
    found = {name: _version(name) for name in _EXTRAS}
    if missing := sorted(name for name in needed if found[name] is None):
        raise Invalid("; ".join(f"{name} is not installed, and {_EXTRAS[name]}" for name in missing))
    return ", ".join(f"{name} {number or 'is not installed'}" for name, number in found.items())


def gdal(settings: Settings) -> str:
    """Write and read an image, and look for the formats that imagery comes in and results go to."""
    import numpy as np
    import pyogrio
    import rasterio
    from rasterio.io import MemoryFile

    with rasterio.Env() as env:
        missing = [name for name in _RASTERS if name not in env.drivers()]
    known = pyogrio.list_drivers()
    missing += [name for name in _VECTORS if "w" not in known.get(name, "")]
    if missing:
        raise Invalid(f"GDAL lacks {', '.join(missing)}: install rasterio and pyogrio from their wheels")
    with MemoryFile() as file:
        form = {"driver": "GTiff", "width": 1, "height": 1, "count": 1, "dtype": "uint8", "crs": "EPSG:3857"}
        with file.open(**form) as image:
            image.write(np.full((1, 1, 1), 7, np.uint8))
        with file.open() as image:
            if image.read()[0, 0, 0] != 7 or image.crs.to_epsg() != 3857:
                raise FairModelsError("GDAL reads another image than it wrote: install rasterio again")
    return f"{rasterio.__gdal_version__}, writes and reads"


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
