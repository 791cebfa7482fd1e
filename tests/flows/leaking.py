"""Secrets of production, the blocks that hold them, and where a secret could be read."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
from prefect.client.orchestration import get_client
from prefect.exceptions import ObjectNotFound
from prefect_aws import MinIOCredentials

from blocks.bucket_store import BucketStore
from blocks.pgstac_catalog import PgstacCatalog
from flows.runtime import places
from tests.services import PASSWORD

BUCKET_SECRET = "bucketSecret7Qx/rainy+days"
MLFLOW_SECRET = "mlflowSecret9Wz"
SERVER_SECRET = "serverSecret4Lm"
WRONG_PASSWORD = "wrong:Password@3Kp"
SECRETS = [
    form
    for secret in (BUCKET_SECRET, MLFLOW_SECRET, SERVER_SECRET, WRONG_PASSWORD, PASSWORD)
    for form in {secret, quote(secret, safe="")}
]


class Denying(http.server.BaseHTTPRequestHandler):
    """A server that says no, with the request in its answer, as some do."""

    def do_GET(self) -> None:
        said = f"<Error><Code>AccessDenied</Code><Message>{self.headers['Authorization']}</Message></Error>"
        self.send_response(403)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said.encode())

    do_HEAD = do_PUT = do_POST = do_DELETE = do_GET  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def denying() -> Iterator[str]:
    """Address of a server that says no to everybody."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Denying) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def save_store(bucket: str, endpoint: str) -> None:
    credentials = MinIOCredentials(
        minio_root_user="operator",
        minio_root_password=BUCKET_SECRET,
        region_name="us-east-1",
        aws_client_parameters={"endpoint_url": endpoint},
    )
    credentials.save("bucket-of-tests", overwrite=True)
    block = BucketStore(
        credentials=MinIOCredentials.load("bucket-of-tests"), bucket=bucket, prefix="fair/models"
    )
    block.save("default", overwrite=True)


def save_catalog(url: str, password: str = PASSWORD) -> None:
    parts = urlsplit(url)
    without = f"postgresql://{parts.username}@{parts.hostname}:{parts.port}{parts.path}"
    block = PgstacCatalog(url=without, password=password, api_url="https://stac.example.org")
    block.save("default", overwrite=True)


def take_blocks_back() -> None:
    """Delete the blocks named "default", and take what they put into the environment of this process out."""
    with get_client(sync_client=True) as client:
        for slug in chain.from_iterable(places.PURPOSES):
            with suppress(ObjectNotFound):
                client.delete_block_document(client.read_block_document_by_name(places.NAME, slug).id)
    places.enter()


def leaks(texts: Mapping[str, str]) -> list[str]:
    """Where a secret can be read."""
    return [f"{place}: {secret[:6]}" for place, text in texts.items() for secret in SECRETS if secret in text]


def files(folder: Path) -> dict[str, str]:
    """Every file as text, whatever it is."""
    return {str(path): path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file()}


def in_bucket(bucket: str) -> dict[str, str]:
    """Every object as text, by its key."""
    client = boto3.client("s3")
    return {
        key: client.get_object(Bucket=bucket, Key=key)["Body"].read().decode("latin-1")
        for key in _keys(bucket)
    }


def _keys(bucket: str) -> Iterator[str]:
    for page in boto3.client("s3").get_paginator("list_objects_v2").paginate(Bucket=bucket):
        yield from (each["Key"] for each in page.get("Contents", ()))
