"""Weights that somebody published on the web, which a contribution starts from without shipping them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from fair_models import licences, settings
from fair_models.errors import Corrupted, Invalid, InvalidContribution, NotFound, Unavailable
from fair_models.ml_tasks.weights_file import SAFETENSORS, STATE_DICTS
from fair_models.store import locations
from fair_models.store.digests import checksum_file, hex_of
from fair_models.store.download import download
from fair_models.types import Json

SOURCE_FIELD = "fair:published_weights"
"""Field of a registered item's asset: address, digest and licence of what its weights were made of."""

LARGEST_BYTES = 2 * 2**30
"""The largest file of weights that is downloaded."""


@dataclass(frozen=True)
class PublishedWeights:
    """A file of weights on the web, pinned.

    href: Its address.
    checksum: sha-256 multihash of its bytes. Empty where the item says none.
    license: SPDX identifier of the weights' licence, which may be another than the code's. Empty as above.
    """

    href: str
    checksum: str
    license: str

    @property
    def ending(self) -> str:
        """How the name of the file ends, e.g. ".pth"."""
        return PurePosixPath(unquote(urlsplit(self.href).path)).suffix.lower()

    def to_json(self) -> Json:
        """As a registered item says it."""
        return {"href": self.href, "file:checksum": self.checksum, "license": self.license}


def of_asset(asset: Json) -> PublishedWeights | None:
    """What an asset of weights names on the web; None for a file of the folder."""
    href = asset.get("href")
    if not isinstance(href, str) or locations.scheme_of(href) in {"", "file"}:
        return None
    checksum, licence = (
        value if isinstance(value := asset.get(key), str) else "" for key in ("file:checksum", "license")
    )
    return PublishedWeights(href, checksum, licence)


def problems(weights: PublishedWeights) -> Iterator[str]:
    """Why weights cannot be used, as far as that can be told before they are downloaded."""
    shown = locations.shown(weights.href)
    try:
        locations.parse_download(weights.href)
    except Invalid as error:
        yield str(error)
    try:
        hex_of(weights.checksum)
    except Invalid:
        yield (
            f"the weights {shown} are not pinned: give their asset file:checksum, 1220 and the sha-256 in "
            "hex, so that nobody can put other weights there"
        )
    if weights.ending not in {SAFETENSORS, *STATE_DICTS}:
        yield (
            f"the weights {shown} may hold code that runs when they are read: name a file that ends in "
            f"{SAFETENSORS} or {' or '.join(STATE_DICTS)}"
        )
    if reason := licences.forbidden(weights.license):
        yield f"the weights {shown} cannot be used: {reason}"


def fetch(weights: PublishedWeights) -> Path:
    """The file, from the cache where it lies there with the right digest, else downloaded.

    Raises:
        InvalidContribution: The address may not be asked, nothing lies there, the file is too large, or its
            bytes are not those of the digest.
        Unavailable: The network or the server does not answer; says what can be done.
    """
    digest = hex_of(weights.checksum)
    path = settings.current().cache_folder / "published" / f"{digest}{weights.ending}"
    if path.is_file() and checksum_file(path) == weights.checksum:
        return path
    largest = min(LARGEST_BYTES, settings.current().largest_download_bytes)
    try:
        place = locations.parse_download(weights.href)
        download(place, path, largest_bytes=largest, checksum=weights.checksum)
    except (Corrupted, Invalid, NotFound) as error:
        raise InvalidContribution("initial weights", [str(error)]) from error
    except Unavailable as error:
        raise Unavailable(
            f"The published weights cannot be had: {error}. Or get the file elsewhere and put it at {path}; "
            "or ask for a random start (--random-start), which needs more chips and time to train"
        ) from error
    return path
