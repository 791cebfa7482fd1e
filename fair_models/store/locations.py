"""Where files lie: paths, web addresses, files in buckets. A text is parsed and checked once, at the border.

What comes out of `parse_location` may be read; later functions take it and never the text.

- A path must lie in one of the folders that FAIR_ALLOWED_FOLDERS names, where it names any. Results are
  never written among the state of the registry, of Prefect, ZenML or MLflow.
- An address on the web is https, without a login in it, at a host that FAIR_ALLOWED_HOSTS names or, where
  that names none, at any public host. Machines of this network, and plain http, are for hosts that are named.
- Buckets (s3://) are read with the credentials of this machine. Where FAIR_ALLOWED_HOSTS has entries they
  must be among them.
- The registry's own files (FAIR_STORE, FAIR_PUBLIC_STORE_URL) need no entry.

Where a redirect or the name of a host leads is checked on the way, by `store.web.connections`.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urljoin, urlsplit

from fair_models import settings
from fair_models.errors import Invalid, Unavailable, reason_of
from fair_models.store import hosts

if TYPE_CHECKING:
    import httpx

LONGEST_SHOWN = 200
"""Characters of an address that a message shows."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
_LOGIN = re.compile(r"^([A-Za-z]+:/*)[^/]*@")
_S3 = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^\x00-\x1f\x7f]{1,1024})")
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")


@dataclass(frozen=True)
class LocalPath:
    """A file or folder of this machine that may be read. It need not exist.

    path: Absolute, without symlinks.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class WebAddress:
    """An address on the web that may be asked.

    url: The address as the client that asks for it reads it.
    written: The same as it was written.
    """

    url: httpx.URL
    written: str = field(compare=False)

    def __str__(self) -> str:
        return self.written

    @property
    def shown(self) -> str:
        """As messages show it."""
        return shown(self.written)


@dataclass(frozen=True)
class BucketKey:
    """A file in a bucket that may be read with the credentials of this machine.

    bucket: Name of the bucket.
    key: Key of the file in it.
    """

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    @property
    def shown(self) -> str:
        """As messages show it."""
        return shown(str(self))


Download = WebAddress | BucketKey
"""What is downloaded."""

Location = LocalPath | Download


def parse_location(text: str, beside: Location | None = None) -> Location:
    """What a text means: a path or file URL, an address on the web, or a file in a bucket.

    Args:
        text: The text. "~" is the home of the user.
        beside: The document that names it: relative texts are seen from there, and a document on the web
            never leads to files of this machine. Default: relative paths are seen from the working folder.

    Raises:
        Invalid: It means nothing, or what may not be read.
        Unavailable: A path cannot be looked at.
    """
    if isinstance(beside, WebAddress):
        return parse_download(joined(str(beside), text))
    if scheme_of(text) in {"", "file"}:
        return LocalPath(local_path(text, beside.path.parent if isinstance(beside, LocalPath) else None))
    return parse_download(text)


def parse_download(text: str) -> Download:
    """What a text means that names a file on the web or in a bucket.

    Raises:
        Invalid: As `parse_web` and `parse_bucket_key` do.
    """
    return parse_bucket_key(text) if scheme_of(text) == "s3" else parse_web(text)


def scheme_of(href: str) -> str:
    """The scheme of an address in lower case, e.g. "https"; empty for a plain path."""
    found = _SCHEME.match(href)
    return found.group(1).lower() if found else ""


def is_web(href: str) -> bool:
    """Whether an address is one that is downloaded from."""
    return scheme_of(href) in {"https", "http"}


def shown(href: str | httpx.URL) -> str:
    """An address as messages show it: without login, query and fragment, which may hold secrets."""
    text = str(href)
    if is_web(text):
        text = _LOGIN.sub(r"\1", re.split(r"[?#]", text, maxsplit=1)[0])
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def local_path(href: str | Path, folder: Path | None = None) -> Path:
    """The file or folder that a path or file URL means, if it may be read or written.

    Args:
        href: A path ("~" is the home of the user), or file:///path. It need not exist.
        folder: Where relative paths are seen from. Default: the working folder.

    Returns:
        The absolute path without symlinks.

    Raises:
        Invalid: It is no path of this machine, or lies outside of the folders that the settings allow.
        Unavailable: It cannot be looked at: a folder on the way is not ours to read.
    """
    written = _path_of(str(href))
    try:
        path = ((folder or Path.cwd()) / written.expanduser()).resolve()
        path.exists()
    except (ValueError, RuntimeError) as error:
        raise Invalid(f"{str(href)!r} is no path: {reason_of(error)}. Name a file or folder") from error
    except PermissionError as error:
        raise Unavailable(f"{href} cannot be read: {error.strerror}. Check the permissions") from error
    except OSError as error:
        raise Invalid(f"{href} is no path that can be: {error.strerror}. Name a file or folder") from error
    _check_inside(path, href)
    return path


def local_folder(href: str | Path) -> Path:
    """As `local_path`; where the settings name folders, what its symlinks lead to is checked too.

    Raises:
        Invalid: It, or what a symlink directly in it leads to, lies outside of the allowed folders.
        Unavailable: It cannot be looked at.
    """
    path = local_path(href)
    if settings.current().allowed_folders and path.is_dir():
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_symlink():
                    local_path(entry.path)
    return path


def output_path(href: str | Path) -> Path:
    """As `local_path`, for what is written: it must not lie where the registry keeps its state.

    Folders are compared as the disk knows them, so that another spelling or a mount changes nothing.

    Raises:
        Invalid: It is no path, or lies outside of the allowed folders or among the registry's state.
        Unavailable: It cannot be looked at.
    """
    path = local_path(href)
    state = [folder.expanduser().resolve() for folder in settings.current().state_folders]
    kept = {identity for folder in state if (identity := _identity(folder)) is not None}
    for folder in (path, *path.parents):
        if _identity(folder) in kept or folder in state:
            raise Invalid(
                f"{href} lies in {folder}, where the registry keeps its own files: "
                "name a place outside of it for what is written"
            )
    return path


def _identity(path: Path) -> tuple[int, int] | None:
    """What the disk knows a file or folder by; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def joined(address: str, href: str) -> str:
    """What an href means that is relative to an address on the web.

    Raises:
        Invalid: It can mean nothing.
    """
    try:
        return urljoin(address, href)
    except ValueError as error:
        raise Invalid(
            f"{shown(href)!r} is no address: {reason_of(error)}. Write one relative to the item"
        ) from error


def parse_web(href: str | httpx.URL) -> WebAddress:
    """An address on the web, if its words may be followed. Where its host leads is checked when connecting.

    Raises:
        Invalid: The scheme, the host or a login in it is not allowed.
    """
    address = _parsed(href)
    if address.userinfo or _LOGIN.match(str(href)):
        raise Invalid(
            f"{shown(href)} has a login in it, which would be kept in logs and items: "
            "download the file and name that"
        )
    host, allowed = address.host, hosts.allowed()
    if not host:
        raise Invalid(f"{shown(href)} names no host: write https://host/path")
    is_named = hosts.is_named(host, allowed)
    if allowed and not is_named and hosts.ANY_PUBLIC_HOST not in allowed and not _is_own(str(address)):
        raise Invalid(
            f"{shown(href)} is refused: the host {host} is not one of FAIR_ALLOWED_HOSTS "
            f"({', '.join(sorted(allowed))}); download the file and name that, or have the operator add it"
        )
    if address.scheme == "http" and not is_named:
        raise Invalid(
            f"{shown(href)} is refused: plain http can be changed on its way; use https, "
            f"or have the operator add {host} to FAIR_ALLOWED_HOSTS"
        )
    return WebAddress(address, str(href))


def parse_bucket_key(href: str) -> BucketKey:
    """The file that s3://bucket/key means, if it may be read with the credentials of this machine.

    Raises:
        Invalid: It is no such address, or FAIR_ALLOWED_HOSTS has entries, "s3://bucket" is none of them, and
            it does not lie in the registry's own store.
    """
    found = _S3.fullmatch(href)
    # A client may take "/a/../b" for "/b", and so ask for another bucket than the one that is checked here.
    if found is None or {".", ".."} & set(found.group(2).split("/")):
        raise Invalid(f"{shown(href)!r} is no file in a bucket: write s3://bucket/key")
    bucket, allowed = found.group(1), settings.current().allowed_hosts
    if allowed and f"s3://{bucket}" not in allowed and not _is_own(href):
        raise Invalid(
            f"{shown(href)} is refused: s3://{bucket} is not one of FAIR_ALLOWED_HOSTS "
            f"({', '.join(sorted(allowed))}); have the operator add it"
        )
    return BucketKey(bucket, found.group(2))


def _is_own(href: str) -> bool:
    """Whether an address is one of the registry's own files. Both are prefixes that end at a slash."""
    now = settings.current()
    places = [now.store] if now.store_is_a_bucket else []
    places += [now.public_store_url] if now.public_store_url else []
    below = [href.removeprefix(f"{place.rstrip('/')}/") for place in places]
    return any(key != href and _PLAIN.fullmatch(key) for key in below)


def _path_of(href: str) -> Path:
    scheme = scheme_of(href)
    if not scheme:
        return Path(href)
    if scheme != "file":
        raise Invalid(
            f"{shown(href)} is no path of this machine: download what lies there, and name the file or folder"
        )
    try:
        parts = urlsplit(href)
    except ValueError as error:
        raise Invalid(f"{href!r} is no file URL ({error}): write file:///path") from error
    if parts.netloc not in {"", "localhost"} or not parts.path.startswith("/"):
        raise Invalid(f"{href} is no file of this machine: write file:///path")
    return Path(unquote(parts.path))


def _check_inside(path: Path, href: str | Path) -> None:
    roots = settings.current().allowed_folders
    if roots and not any(path.is_relative_to(root) for root in roots):
        leads = "" if str(path) == str(href) else f" (it leads to {path})"
        raise Invalid(
            f"{href}{leads} lies outside of the folders that may be used: FAIR_ALLOWED_FOLDERS has "
            f"{', '.join(map(str, roots))}; put it into one of them"
        )


def _parsed(href: str | httpx.URL) -> httpx.URL:
    """The address as the client that will ask for it reads it, so that nobody reads it differently later."""
    import httpx

    try:
        address = httpx.URL(href)
        if not 0 <= (address.port or 0) <= 65535:
            raise ValueError(f"it has no port {address.port}")
        address.host.encode("idna")  # names that mean nothing are only found when they are decoded
        str(address).encode()
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise Invalid(
            f"{shown(href)!r} is no address: {reason_of(error)}. Write https://host/path"
        ) from error
    if address.scheme not in {"https", "http"}:
        scheme = address.scheme or "none"
        raise Invalid(
            f"{shown(href)} cannot be read (its scheme is {scheme}): name a file, or an https address"
        )
    return address
