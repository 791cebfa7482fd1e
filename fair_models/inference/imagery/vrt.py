"""VRT files: mosaics of images that lie beside them, and nothing else of what a VRT can do.

GDAL's VRT may read any file and address, run expressions and cut raw bytes. What `gdalbuildvrt` writes needs
none of that: https://gdal.org/drivers/raster/vrt.html
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from fair_models.data.images.file_kinds import format_of

MAX_BYTES = 20_000_000
"""The largest VRT that is read; one of 10,000 images has about 10 MB."""

_ELEMENTS = frozenset(
    {
        "vrtdataset",
        "srs",
        "geotransform",
        "metadata",
        "mdi",
        "vrtrasterband",
        "description",
        "colorinterp",
        "nodatavalue",
        "hidenodatavalue",
        "unittype",
        "offset",
        "scale",
        "blockxsize",
        "blockysize",
        "simplesource",
        "complexsource",
        "sourcefilename",
        "sourceband",
        "sourceproperties",
        "srcrect",
        "dstrect",
        "nodata",
        "usemaskband",
        "maskband",
        "overviewlist",
    }
)
_BANDS = frozenset({None, "VRTSourcedRasterBand"})
_DOMAINS = frozenset({None, "", "IMAGE_STRUCTURE"})


def is_meant(path: Path) -> bool:
    """Whether a file is a VRT, by its first bytes."""
    with path.open("rb") as file:
        return b"<VRTDataset" in file.read(512)


def problems(path: Path) -> list[str]:
    """Why a VRT is not read; empty for a mosaic of images that lie in its folder or below."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        return [f"it has more than {MAX_BYTES:,} bytes; make several mosaics of it"]
    try:
        text = data.decode()
        if "<!" in text.replace("<!--", ""):
            return ["it declares a document type; make it anew with gdalbuildvrt"]
        root = ElementTree.fromstring(text)  # noqa: S314 - entities cannot be declared without a document type
    except (UnicodeDecodeError, ElementTree.ParseError) as error:
        return [f"it is no VRT ({error}); make it anew with gdalbuildvrt"]
    return list(dict.fromkeys(_found(root, path.resolve().parent)))[:10]


def _found(root: ElementTree.Element, folder: Path) -> Iterator[str]:
    for element in root.iter():
        name = element.tag.rpartition("}")[2].lower()
        attributes = {key.lower(): value for key, value in element.attrib.items()}
        subclass, domain = attributes.get("subclass"), attributes.get("domain")
        if name not in _ELEMENTS or subclass not in _BANDS or domain not in _DOMAINS:
            kind = subclass or domain or element.tag
            yield f"it uses {kind[:60]}; only plain mosaics are read, make one with gdalbuildvrt"
        elif name == "sourcefilename":
            source = (element.text or "").strip()
            if not _is_beside(source, attributes.get("relativetovrt") == "1", folder):
                yield f"its source {source[:120]!r} is no image in its folder; put the images beside it"


def _is_beside(source: str, relative: bool, folder: Path) -> bool:
    if not source or "\x00" in source:
        return False
    path = Path(source)
    if not relative and not path.is_absolute():
        return False  # GDAL would look for it in the folder that the worker was started in
    try:
        resolved = (folder / path).resolve()
        return resolved.is_relative_to(folder) and resolved.is_file() and format_of(resolved) is not None
    except OSError:  # e.g. a name too long
        return False
