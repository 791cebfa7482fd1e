"""A server that speaks S3, as a process of its own, and buckets on it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx
import pytest

ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",  # the server takes any
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextmanager
def serving() -> Iterator[str]:
    """Address of a server that ends with the block."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = str(unused.getsockname()[1])
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", port]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/moto-api/", server)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            with suppress(subprocess.TimeoutExpired):
                server.wait(10)
            server.kill()


def _wait_for(url: str, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        with suppress(httpx.TransportError):
            if httpx.get(url).is_success:
                return
        assert server.poll() is None, "the S3 server ended before it answered"
        time.sleep(0.1)
    raise AssertionError("the S3 server does not answer")


def make_bucket() -> str:
    """A new bucket at the endpoint of the environment."""
    import boto3

    name = f"fair-{secrets.token_hex(4)}"
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket=name)
    return name


@contextmanager
def environment(endpoint: str) -> Iterator[None]:
    """Let this process find a server, where monkeypatch cannot be had."""
    before = dict(os.environ)
    os.environ.update(ENVIRONMENT, AWS_ENDPOINT_URL=endpoint)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of a server that speaks S3."""
    with serving() as address:
        yield address


@pytest.fixture
def s3_bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty bucket, and an environment in which boto3 finds it."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(name, value)
    return make_bucket()
