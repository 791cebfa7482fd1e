"""Images on the web and in buckets, read in parts under the rules of `store.hrefs`.

GDAL could ask the network itself (/vsicurl), but then nobody would judge where a redirect or a host's name
leads. So it reads through rasterio's opener what this process asks for, and its own network stays off.
"""

from __future__ import annotations

from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from fair_models.data import imagery
from fair_models.errors import InvalidImagery
from fair_models.store.ranges import RangedFile

_GDAL = imagery.GDAL | {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""Nothing is looked for beside an image on the web: each look would be a request."""

_numbers = count()


class RemoteImage:
    """An image that is read in parts.

    Args:
        href: Its address, as it was asked for.
        file: Its bytes.
        start: The first of them.
    """

    def __init__(self, href: str, file: RangedFile, start: bytes) -> None:
        self._file = file
        self._start = start
        self.path = Path(PurePosixPath(unquote(urlsplit(href).path)).name or "image")

    def __str__(self) -> str:
        return self._file.ranges.name

    def opened(self) -> Any:
        """A rasterio dataset of it.

        Raises:
            InvalidImagery: It is no GeoTIFF.
            Unavailable: Its bytes could not be had.
        """
        import rasterio

        if imagery.format_of_start(self._start) != "GTiff":
            raise InvalidImagery(
                str(self), ["only GeoTIFF (COG) is read from the web; download it and name the file"]
            )
        # rasterio keeps openers by name, and has one of each name at a time.
        name = f"fair-models-{next(_numbers)}/{self.path.stem[:80]}"
        with rasterio.Env(**_GDAL):
            try:
                return rasterio.open(name, driver="GTiff", opener=_Container(name, self._file))
            finally:
                self.check()

    def check(self) -> None:
        """Say why bytes could not be had, if that was so: GDAL says only that there were none."""
        self._file.check()


class _Container:
    """One file, as rasterio's opener wants it: `rasterio.abc.FileContainer`."""

    def __init__(self, name: str, file: RangedFile) -> None:
        self._name, self._file = name, file

    def open(self, path: str, mode: str = "r", **options: object) -> Any:
        if not self.isfile(path):
            raise FileNotFoundError(path)
        return self._file.open()

    def isfile(self, path: str) -> bool:
        return str(path).endswith(self._name)

    def isdir(self, path: str) -> bool:
        return False

    def ls(self, path: str) -> list[str]:
        return []

    def mtime(self, path: str) -> int:
        return 0

    def rm(self, path: str) -> None:
        raise PermissionError(path)

    def size(self, path: str) -> int:
        return self._file.ranges.size if self.isfile(path) else 0
