"""The store that the settings name."""

from __future__ import annotations

from fair_models.errors import Invalid
from fair_models.settings import Settings
from fair_models.store.local import LocalStore
from fair_models.store.protocol import Store


def open_store(settings: Settings) -> Store:
    """The store of this machine: a folder, or a bucket. Nothing is made before something is put.

    Raises:
        Invalid: The bucket's address is none, or boto3 is not installed.
    """
    if settings.store_is_a_bucket:
        from fair_models.store.s3.place import BucketPlace
        from fair_models.store.s3.store import S3Store

        place = BucketPlace.of(settings.store, settings.public_store_url)
        return S3Store(place, settings.cache_folder / "store")
    if settings.public_store_url is not None:
        raise Invalid(
            "FAIR_PUBLIC_STORE_URL is the public address of a bucket, and FAIR_STORE names none: "
            "set FAIR_STORE to s3://bucket/prefix, or leave FAIR_PUBLIC_STORE_URL out"
        )
    return LocalStore(settings.store_folder)
