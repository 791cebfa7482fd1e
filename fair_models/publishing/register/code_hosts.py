"""Pages of code hosts that people name in place of the file that is shown there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

from fair_models.catalog.items import assets
from fair_models.store import locations
from fair_models.types import Json

_COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_REF = r"(?:refs/(?:heads|tags)/)?[A-Za-z0-9_][A-Za-z0-9._@+-]*"
_GITHUB = re.compile(
    rf"/({_PART})/({_PART}?)(?:\.git)?(?:/(?P<view>tree|blob|raw)/(?P<ref>{_REF})(?P<path>/.*)?)?/?"
)
_GITLAB = re.compile(
    rf"(?P<repository>/{_PART}(?:/{_PART})+)/-/(?P<view>tree|blob)/(?P<ref>{_REF})(?P<path>/.*)?"
)
_HUGGING_FACE = re.compile(r"(/.+)/blob/(.+)")

_ONWARD = (
    ("hf.co", "/", "huggingface.co"),
    ("github.com", "/archive/", "codeload.github.com"),
    ("github.com", "/raw/", "raw.githubusercontent.com"),
    ("github.com", "/releases/download/", "release-assets.githubusercontent.com"),
)
"""Hosts, what their paths hold, and the host that such addresses always lead to."""


@dataclass(frozen=True)
class Place:
    """Where the file lies that a page shows.

    href: Its address.
    moves: The branch that it is taken from; empty for a commit.
    """

    href: str
    moves: str = ""


def settle(template: Json) -> Iterator[str]:
    """Name files in place of the pages that show them; yields what was done, in sentences.

    Args:
        template: An item whose shape is right; its hrefs are changed.
    """
    for key, asset in (template.get("assets") or {}).items():
        href, roles = asset["href"], asset.get("roles") or []
        if not assets.RUNTIMES.isdisjoint(roles) or not locations.is_web(href):
            continue
        is_code = assets.has_role(roles, assets.SOURCE_CODE)
        try:
            place = archive_of(href) if is_code else file_of(href)
        except ValueError:
            continue  # no address: whoever asks for it says so
        if place is None:
            continue
        asset["href"] = place.href
        if is_code:
            asset["type"] = "application/zip"
        yield f"assets.{key}: {href} is a page for people, {place.href} is taken"
        if place.moves:
            yield (
                f"assets.{key}: {place.moves} may hold something else tomorrow; name a commit, "
                f"as in {href.replace(place.moves, '<40 digits>', 1)}"
            )


def archive_of(href: str) -> Place | None:
    """The archive of the repository, at the commit or branch that a page shows; None for no such page."""
    address = urlsplit(href)
    host, path = (address.hostname or "").removeprefix("www."), unquote(address.path)
    if host == "github.com" and (found := _GITHUB.fullmatch(path)) and found["view"] in {None, "tree"}:
        ref = _plain(found["ref"] or "HEAD")
        return Place(f"https://codeload.github.com/{found[1]}/{found[2]}/zip/{ref}", _moving(ref))
    if (found := _GITLAB.fullmatch(path)) and found["view"] == "tree":
        ref, name = _plain(found["ref"]), found["repository"].rpartition("/")[2]
        base = f"{address.scheme}://{address.netloc}{found['repository']}"
        return Place(f"{base}/-/archive/{ref}/{name}-{ref}.zip", _moving(ref))
    return None


def file_of(href: str) -> Place | None:
    """The file that a page of a code host shows; None for no such page."""
    address = urlsplit(href)
    host, path = (address.hostname or "").removeprefix("www."), unquote(address.path)
    if host == "github.com" and (found := _GITHUB.fullmatch(path)) and found["view"] == "blob":
        ref = found["ref"]
        place = f"https://raw.githubusercontent.com/{found[1]}/{found[2]}/{ref}{quote(found['path'] or '')}"
        return Place(place, _moving(_plain(ref)))
    if (found := _GITLAB.fullmatch(path)) and found["view"] == "blob":
        base = f"{address.scheme}://{address.netloc}{found['repository']}"
        return Place(
            f"{base}/-/raw/{found['ref']}{quote(found['path'] or '')}", _moving(_plain(found["ref"]))
        )
    if host in {"huggingface.co", "hf.co"} and (found := _HUGGING_FACE.fullmatch(path)):
        ref = found[2].partition("/")[0]
        return Place(f"https://huggingface.co{found[1]}/resolve/{quote(found[2])}", _moving(ref))
    return None


def onward(href: str) -> str:
    """The host that an address is known to lead to; empty for others."""
    address = urlsplit(href)
    found = (there for host, part, there in _ONWARD if address.hostname == host and part in address.path)
    return next(found, "")


def _plain(ref: str) -> str:
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def _moving(ref: str) -> str:
    return "" if _COMMIT.fullmatch(ref) else ref
