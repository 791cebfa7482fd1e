"""Bytes first: files are put under their final keys before an item names them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from fair_models.store.digests import checksum_file
from fair_models.store.naming import key
from fair_models.store.protocol import Store, StoredFile
from fair_models.types import CollectionId


def put_files(
    store: Store, collection: CollectionId, name: str, number: int, files: Mapping[str, Path]
) -> dict[str, StoredFile]:
    """Put the files of one version under their versioned, content-addressed keys.

    Doing it again changes nothing: equal bytes have equal keys, other bytes have others.

    Args:
        store: Where they go.
        collection: Collection of the item that will name them.
        name: Its name, without the version.
        number: Its version.
        files: The files by asset key, e.g. {"checkpoint": Path("weights.safetensors")}.

    Returns:
        What was stored, by the same asset keys.
    """
    return {
        asset: store.put(key(collection, name, number, path, checksum_file(path)), path)
        for asset, path in files.items()
    }


def as_stored(files: Mapping[str, Path]) -> dict[str, StoredFile]:
    """Files as they would be stored, to build and validate an item before anything is put.

    Args:
        files: The files by asset key.
    """
    return {
        asset: StoredFile(str(path), checksum_file(path), path.stat().st_size)
        for asset, path in files.items()
    }
