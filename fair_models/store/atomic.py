"""Writes that are either there whole or not at all, whatever stops them."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import orjson

from fair_models.errors import Conflict, Invalid, Unavailable

UNFINISHED = ".part"
"""How the names of files and folders end that are still being written, or were left by a crash."""


def temporary_beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else uses."""
    return path.with_name(f".{path.name[:80]}.{os.getpid()}-{secrets.token_hex(4)}{UNFINISHED}")


@contextmanager
def translate_os_errors(doing: str) -> Iterator[None]:
    """Turn an error of the file system (full, read-only, no permission) into one of our family.

    Args:
        doing: What was tried, for the message, e.g. "write /data/x.json".
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        where = f" ({error.filename})" if error.filename else ""
        raise Unavailable(
            f"Cannot {doing}: {reason}{where}. Check the free space and the permissions, then try again"
        ) from error


def sync_file(path: Path) -> None:
    """Have the disk keep a file's bytes."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Have the disk keep a folder's names, where the system can do that."""
    if os.name == "posix":
        sync_file(path)


def write_synced(path: Path, data: bytes) -> None:
    """Write a new file and have the disk keep its bytes. Not atomic: for files nobody looks at yet."""
    with path.open("xb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def write_bytes(path: Path, data: bytes) -> None:
    """Write or replace a file; its folder is made where it is missing.

    Raises:
        Unavailable: The disk is full, read-only or not ours to write. Nothing was changed.
    """
    temporary = temporary_beside(path)
    with translate_os_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_synced(temporary, data)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that is not there yet; its folder is made where it is missing.

    Raises:
        Conflict: Something lies there, and be it since a moment ago.
        Unavailable: The disk is full, read-only or not ours to write. Nothing was changed.
    """
    temporary = temporary_beside(path)
    with translate_os_errors(f"write {path}"):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write_synced(temporary, data)
            os.link(temporary, path)  # fails where the name exists
        except FileExistsError as error:
            raise Conflict(f"{path} exists already and is not overwritten: name a new file") from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


def encode_json(value: Any) -> bytes:
    """JSON as it lies on disk: UTF-8, two spaces, the order of the keys kept.

    Raises:
        Invalid: The value holds what is not JSON, e.g. NaN.
    """
    return orjson.dumps(plain_json(value), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def plain_json(value: Any) -> Any:
    """A copy that holds nothing but dicts, lists, text, numbers, booleans and None.

    Raises:
        Invalid: The value holds what is not JSON, e.g. a datetime, or NaN (which orjson would make null).
    """
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
        orjson.dumps(plain)  # knows no integers of more than 64 bit and no halves of surrogate pairs
        return plain
    except (TypeError, ValueError, RecursionError) as error:
        raise Invalid(f"This cannot be written as JSON: {error}") from error


def write_json(path: Path, value: Any) -> None:
    """Write or replace a JSON file.

    Raises:
        Invalid: The value holds what is not JSON.
        Unavailable: The disk is full, read-only or not ours to write. Nothing was changed.
    """
    write_bytes(path, encode_json(value))


@contextmanager
def atomic_folder(path: Path, existing: Literal["conflict", "keep"] = "conflict") -> Iterator[Path]:
    """A folder that appears whole or not at all.

    Yields an empty folder beside `path`; what the block leaves in it is synced and renamed to `path`
    when the block ends well, and thrown away when it does not.

    Args:
        path: The folder to make. An empty one is replaced.
        existing: What to do where `path` holds something by then: raise Conflict, or keep that and throw the
            new one away (for content that is the same whoever makes it).

    Raises:
        Conflict: `path` exists and holds something.
        Unavailable: The disk is full, read-only or not ours to write.
    """
    temporary = temporary_beside(path)
    with translate_os_errors(f"make the folder {path}"):
        temporary.mkdir(parents=True)
    try:
        yield temporary
        with translate_os_errors(f"make the folder {path}"):
            _sync_tree(temporary)
            _rename_folder(temporary, path, existing)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            sync_file(Path(parent, name))
        sync_folder(Path(parent))


def _rename_folder(source: Path, target: Path, existing: Literal["conflict", "keep"]) -> None:
    try:
        source.rename(target)
    except OSError as error:
        if not target.exists():
            raise
        if existing == "keep" and target.is_dir():
            return
        raise Conflict(
            f"{target} exists already and is not empty: choose another folder or empty it"
        ) from error
    sync_folder(target.parent)
