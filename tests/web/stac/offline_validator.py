"""stac-api-validator, which finds the official schemas on disk in place of the network.

    python -m tests.web.stac.offline_validator SCHEMAS --root-url http://127.0.0.1:8000/stac/ …

SCHEMAS is a folder with schemas of extensions by address. Those of STAC and of GeoJSON come with pystac.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pystac.validation
import requests
from pystac import stac_io

CORE = Path(pystac.validation.__file__).parent / "jsonschemas"
LOCAL = ("127.0.0.1", "localhost")


def file_of(address: str, schemas: Path) -> Path:
    """Where the schema of an address lies."""
    place = urlsplit(address)
    name = place.path.rpartition("/")[2]
    if place.hostname == "schemas.stacspec.org":
        return CORE / "stac-spec" / "v1.1.0" / name
    if place.hostname == "geojson.org":
        return CORE / "geojson" / name
    return schemas / str(place.hostname) / place.path.lstrip("/")


def use(schemas: Path) -> None:
    """Answer requests for schemas from disk; all others but those to this machine fail."""
    send = requests.adapters.HTTPAdapter.send

    def answered(self: Any, request: requests.PreparedRequest, *rest: Any, **more: Any) -> requests.Response:
        if urlsplit(str(request.url)).hostname in LOCAL:
            return send(self, request, *rest, **more)
        found = file_of(str(request.url), schemas)
        answer = requests.Response()
        answer.request, answer.url = request, str(request.url)
        answer.status_code = 200 if found.is_file() else 404
        answer._content = found.read_bytes() if found.is_file() else b""
        answer.headers["Content-Type"] = "application/json"
        return answer

    def read(self: Any, href: str, *_: Any, **__: Any) -> str:
        if urlsplit(href).hostname in LOCAL:
            return requests.get(href, timeout=60).text
        return file_of(href, schemas).read_text(encoding="utf-8")

    requests.adapters.HTTPAdapter.send = answered
    for kind in (stac_io.DefaultStacIO, stac_io.RetryStacIO):  # pystac's own, for schemas of extensions
        kind.read_text_from_href = read


if __name__ == "__main__":
    from stac_api_validator.__main__ import main

    use(Path(sys.argv.pop(1)))
    main()
