"""Reference systems as files name them: which ones are longitude and latitude on WGS 84."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from fair_models.data.images.grid import LONLAT
from fair_models.errors import Invalid

_LONGEST = 20_000
"""Characters of a name or WKT that is read."""

_SHOWN = 120
_WGS84 = "World Geodetic System 1984"
_WGS84_OF_ESRI = frozenset({"D WGS 1984", "WGS 1984"})
_CODE = re.compile(r"(epsg|ogc|esri|iau)(?:[:/#.]+(?:xml|[0-9v][0-9.]*)?)*[:/#]([a-z0-9_]+)/?$")
"""Authority and code in names like urn:ogc:def:crs:EPSG:6.9:4326 and …/gml/srs/epsg.xml#4326."""

_WORDS = {
    "crs84": "OGC:CRS84",
    "crs84h": "OGC:CRS84h",
    "lonlat": LONLAT,
    "longlat": LONLAT,
    "world geodetic system 1984": LONLAT,
}


def of_member(crs: Any) -> str:
    """The system that a `crs` member means (GeoJSON of 2008 and what people write instead).

    Returns:
        `LONLAT` for longitude and latitude on WGS 84, whatever it is called; else a name for pyproj.

    Raises:
        Invalid: It means nothing that is known.
    """
    said = _said(crs)
    if said is None:
        raise Invalid(f"{str(crs)[:_SHOWN]} is no reference system that is known")
    return known(said)


@lru_cache(maxsize=256)
def known(name: str) -> str:
    """A system by any of its names, as PROJJSON or as WKT.

    Returns:
        `LONLAT` for longitude and latitude on WGS 84, with or without heights; else what pyproj takes.

    Raises:
        Invalid: PROJ does not know it.
    """
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    for written in _spellings(name):
        try:
            crs = CRS.from_user_input(written)
        except (CRSError, ValueError):
            continue
        return LONLAT if _is_lonlat(crs) else written
    raise Invalid(f"{name[:_SHOWN]} is no reference system that is known")


def _said(crs: Any) -> str | None:
    """The name in a `crs` member: text, a code, PROJJSON, or an object with `properties`."""
    if isinstance(crs, bool) or crs is None:
        return None
    if isinstance(crs, int):
        return f"EPSG:{crs}"
    if isinstance(crs, str):
        return crs or None
    if not isinstance(crs, dict):
        return None
    properties = crs.get("properties")
    if not isinstance(properties, dict):
        return json.dumps(crs) if "$schema" in crs or "datum" in crs or "datum_ensemble" in crs else None
    code = properties.get("code")
    if isinstance(code, int | str) and not isinstance(code, bool):
        kind = str(crs.get("type", "EPSG"))
        return f"{'EPSG' if kind.lower() == 'name' else kind}:{code}"
    named = (properties.get(key) for key in ("name", "urn", "href"))
    return next((str(each) for each in named if isinstance(each, str | int) and str(each)), None)


def _spellings(name: str) -> list[str]:
    """A name as PROJ writes it, the likeliest first."""
    text = name.strip()
    if not text or len(text) > _LONGEST:
        return []
    lower = re.sub(r"\s+", " ", text.lower())
    spellings = [_WORDS[lower]] if lower in _WORDS else []
    if lower.endswith(("/ogcwkt/", "/ogcwkt", "/proj4/", "/json/", "/esriwkt/")):
        lower = lower.rstrip("/").rpartition("/")[0]
    if not lower.startswith(("{", "+")) and "[" not in lower and "," not in lower:
        found = _CODE.search(lower)
        if found:
            authority, code = found[1].upper(), found[2].upper()
            spellings.append(f"{authority}:{'CRS84h' if code == 'CRS84H' else code}")
    return [*spellings, text]


def _is_lonlat(crs: Any) -> bool:
    """Whether a system is geographic, on WGS 84 (any realisation), in degrees from Greenwich."""
    flat = crs.to_2d() if not crs.is_compound else crs.sub_crs_list[0].to_2d()
    if not flat.is_geographic or flat.is_bound or flat.is_derived:
        return False
    datum = str(flat.datum.name if flat.datum else "").replace("_", " ")
    meridian = flat.prime_meridian
    return (
        (datum.startswith(_WGS84) or datum in _WGS84_OF_ESRI)
        and (meridian is None or meridian.longitude == 0)
        and all("degree" in axis.unit_name for axis in flat.axis_info)
    )
