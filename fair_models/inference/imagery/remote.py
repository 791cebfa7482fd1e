"""Images on the web and in buckets, read in parts under the rules of `store.locations`.

GDAL could ask the network itself (/vsicurl), but then nobody would check where a redirect or a host's name
leads. So it reads through rasterio's opener what this process asks for, and its own network stays off.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import Context, copy_context
from itertools import count
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import unquote, urlsplit

from fair_models.data.images import file_kinds
from fair_models.errors import InvalidImagery
from fair_models.store.web.ranges import RangedFile

_GDAL = file_kinds.GDAL | {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
"""Nothing is looked for beside an image on the web: each look would be a request."""

Made = TypeVar("Made")

_numbers = count()


class RemoteImage:
    """An image that is read in parts. Close it in the end.

    rasterio keeps what Python feeds a dataset with in context variables of the thread that opened it, and
    GDAL is left with nothing when that thread ends. So all that is done with the datasets of an image is done
    in one context, whatever the thread, and no dataset is left to the garbage collector.

    Args:
        href: Its address, as it was asked for.
        file: Its bytes.
        start: The first of them.
    """

    def __init__(self, href: str, file: RangedFile, start: bytes) -> None:
        self._file = file
        self._start = start
        self._context = copy_context()
        self._datasets: list[Any] = []
        self._closing = weakref.finalize(self, _close, self._datasets, self._context)
        self.path = Path(PurePosixPath(unquote(urlsplit(href).path)).name or "image")

    def __str__(self) -> str:
        return self._file.ranges.name

    @property
    def state(self) -> tuple[str, str]:
        """Its address, and what its server says of its content: size and ETag or date."""
        return self._file.ranges.name, self._file.ranges.state

    def opened(self) -> Any:
        """A rasterio dataset of it, for `run` alone. It is closed with the image.

        Raises:
            InvalidImagery: It is no GeoTIFF.
            Unavailable: Its bytes could not be had.
        """
        if file_kinds.format_of_start(self._start) != "GTiff":
            raise InvalidImagery(
                str(self), ["only GeoTIFF (COG) is read from the web; download it and name the file"]
            )
        try:
            # The first one leaves in the context what all others share.
            dataset = self.run(self._open) if self._datasets else self._context.run(self._open)
            self._datasets.append(dataset)
        finally:
            self._file.check()
        return dataset

    def run(self, work: Callable[[], Made]) -> Made:
        """Do something with one of the datasets.

        Raises:
            FairModelsError: Bytes could not be had: GDAL says only that there were none.
        """
        try:
            return self._context.copy().run(work)
        finally:
            self._file.check()

    def close(self) -> None:
        """Close all datasets."""
        self._closing()

    def _open(self) -> Any:
        import rasterio

        # rasterio keeps openers by name, and has one of each name at a time.
        name = f"fair-models-{next(_numbers)}/{self.path.stem[:80]}"
        with rasterio.Env(**_GDAL):
            return rasterio.open(name, driver="GTiff", opener=_Container(name, self._file))


def _close(datasets: list[Any], context: Context) -> None:
    while datasets:
        context.copy().run(datasets.pop().close)


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
