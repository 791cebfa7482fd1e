"""The service as a process of its own, as people start it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from fair_models.doctor import web_service
from fair_models.errors import Conflict, FairModelsError, Invalid, Unavailable
from fair_models.settings import Settings
from fair_models.web import server
from tests.services import free_port

MAIN = [sys.executable, "-c", "from fair_models.cli import main; main()", "serve"]


@contextmanager
def started(home: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`fair-models serve` until the end of the block."""
    running = subprocess.Popen(
        [*MAIN, *arguments],
        env={**os.environ, "FAIR_HOME": str(home), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def answered(running: subprocess.Popen[str], address: str) -> float:
    """Seconds until the service answers."""
    began = time.monotonic()
    while True:
        assert running.poll() is None, running.communicate()[0]
        try:
            assert httpx.get(f"{address}/health/live").status_code == 200
            return time.monotonic() - began
        except httpx.TransportError:
            time.sleep(0.02)


@pytest.mark.service
@pytest.mark.parametrize("workers", [1, 2])
def test_it_answers_logs_json_lines_and_ends_when_it_is_asked(tmp_path: Path, workers: int) -> None:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with started(tmp_path, "--port", str(port), "--workers", str(workers)) as running:
        answered(running, address)
        for _ in range(8):
            httpx.get(f"{address}/stac/?secret=hush").raise_for_status()
        counted = httpx.get(f"{address}/metrics").text
        assert f'route="/stac/",status="200"}} {8.0}' in counted
        running.send_signal(signal.SIGTERM)
        said, _ = running.communicate(timeout=30)
    lines = [json.loads(line) for line in said.splitlines()]
    asked = [line for line in lines if line.get("path") == "/stac/"]
    assert len(asked) == 8
    assert all(line["status"] == 200 and line["request_id"] and line["time"] for line in asked)
    assert "hush" not in said


def test_without_authentication_it_listens_on_this_machine_alone(tmp_path: Path) -> None:
    with started(tmp_path, "--host", "0.0.0.0", "--port", str(free_port())) as refused:
        said, _ = refused.communicate(timeout=60)
    assert refused.returncode == 2
    assert "FAIR_WEB_AUTH" in said


def test_a_port_that_is_taken_is_told_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(Conflict, match="FAIR_WEB_PORT"):
            server.serve(Settings(home=tmp_path), "127.0.0.1", port)


def test_a_host_that_this_machine_does_not_have_is_told() -> None:
    with pytest.raises(Invalid, match="nowhere"):
        server.require_free("nowhere.invalid", 8000)
    with pytest.raises(Conflict):
        server.require_free("192.0.2.7", free_port())


def test_the_doctor_asks_the_service(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, web_port=free_port(), prefect_port=free_port())
    assert "does not run" in web_service.answers(settings)
    (settings.run_folder).mkdir(parents=True)
    (settings.run_folder / "registry.json").write_text("{}")
    with pytest.raises(Unavailable, match="Its output"):
        web_service.answers(settings)
    port, prefect = str(settings.web_port), str(settings.prefect_port)
    with started(tmp_path, "--port", port, FAIR_PREFECT_PORT=prefect) as own:
        answered(own, f"http://127.0.0.1:{port}")
        with pytest.raises(FairModelsError, match="prefect"):
            web_service.answers(settings)
