"""Starting and stopping processes, without Prefect."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from fair_models.cli import local_server
from fair_models.cli.processes import MARK, Services, end, is_alive
from fair_models.errors import Conflict, FairModelsError, Invalid
from fair_models.settings import Settings, current
from tests.conftest import PROJECT
from tests.services import free_port

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)",
]


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIR_WEB_PORT", str(free_port()))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    return current()


@pytest.fixture
def services(settings: Settings) -> Services:
    return local_server.services_of(settings)


def silent(message: str) -> None:
    """Say nothing."""


def test_a_process_is_found_again_by_its_name(services: Services, tmp_path: Path) -> None:
    started = services.start("one", SLEEP, tmp_path, os.environ)
    try:
        assert services.find("one") == started
        assert services.find("two") is None
    finally:
        end([started])
    assert services.find("one") is None


def test_another_process_that_got_the_same_number_is_not_taken_for_it(
    services: Services, tmp_path: Path
) -> None:
    end([services.start("one", SLEEP, tmp_path, os.environ)])
    (services.folder / "one.json").write_text(f'{{"pid": {os.getpid()}, "started": 1.0}}')
    assert services.find("one") is None


def test_a_process_that_ignores_the_request_to_end_is_killed(services: Services, tmp_path: Path) -> None:
    started = services.start("one", STUBBORN, tmp_path, os.environ)
    while not services.log("one").read_bytes():
        time.sleep(0.05)
    end([started], grace_s=0.5)
    assert not is_alive(started)


def test_children_are_stopped_even_after_their_parent_was_killed(
    settings: Settings, services: Services, tmp_path: Path
) -> None:
    code = (
        "import subprocess, time\n"
        f"print(subprocess.Popen({SLEEP!r}, start_new_session=True).pid, flush=True)\n"
        "time.sleep(600)"
    )
    parent = services.start("worker-train", [sys.executable, "-c", code], tmp_path, os.environ)
    while not (text := services.log("worker-train").read_text().strip()):
        time.sleep(0.05)
    child = psutil.Process(int(text))
    parent.kill()
    parent.wait()
    assert is_alive(child)
    assert local_server.down(settings) == ["run"]
    assert not is_alive(child)
    assert list(services.folder.glob("*.json")) == []


def test_an_up_that_still_goes_on_starts_nothing_more(settings: Settings, services: Services) -> None:
    code = (
        "import os, subprocess, time\n"
        f"own = {{**os.environ, {MARK!r}: {str(settings.home)!r}}}\n"
        f"while True: subprocess.Popen({SLEEP!r}, env=own, start_new_session=True); time.sleep(0.1)"
    )
    going = psutil.Popen([sys.executable, "-c", code])
    settings.run_folder.mkdir(parents=True)
    services.note("up", going)
    while not services.all():
        time.sleep(0.05)
    assert set(local_server.down(settings)) == {"run"}
    assert not is_alive(going)
    assert services.all() == []


@pytest.mark.service
@pytest.mark.parametrize("interrupted", [True, False])
def test_a_server_whose_start_was_interrupted_or_goes_on_is_ended(
    settings: Settings, services: Services, monkeypatch: pytest.MonkeyPatch, interrupted: bool
) -> None:
    port = free_port()
    monkeypatch.setenv("FAIR_PREFECT_PORT", str(port))
    command = [sys.executable, "-c", "from fair_models.cli import main; main()", "up"]
    starting = psutil.Popen(
        command,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Where the tests themselves run in the background of a shell, the signal would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    while services.find("server") is None:
        assert is_alive(starting)
        time.sleep(0.05)
    if interrupted:
        starting.send_signal(signal.SIGINT)
        starting.wait()
    assert "server" in local_server.down(settings)
    assert not is_alive(starting)
    assert services.all() == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0


def test_stopping_again_ends_what_was_left_when_it_was_interrupted(
    settings: Settings, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = [services.start(name, SLEEP, tmp_path, os.environ) for name in ("server", "worker-train")]

    def interrupted(processes: list[psutil.Process]) -> None:
        end(processes)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local_server, "end", interrupted)
        with pytest.raises(KeyboardInterrupt):
            local_server.down(settings)
    assert [is_alive(process) for process in started] == [True, False]
    assert local_server.down(settings) == ["server"]
    assert not any(map(is_alive, started))
    assert list(services.folder.glob("*.json")) == []


def test_processes_of_another_home_are_left_alone(settings: Settings, tmp_path: Path) -> None:
    other = subprocess.Popen(SLEEP, env={**os.environ, MARK: str(tmp_path / "other")})
    try:
        assert local_server.down(settings) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_a_process_that_ends_by_itself_tells_its_last_words(services: Services, tmp_path: Path) -> None:
    started = services.start(
        "server", [sys.executable, "-c", "print('no more room'); exit(1)"], tmp_path, os.environ
    )
    started.wait()
    error = services.died("server")
    assert isinstance(error, FairModelsError)
    assert "no more room" in str(error)
    assert "server.log" in str(error)


def test_a_port_that_is_taken_is_named_with_the_way_out(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setenv("FAIR_PREFECT_PORT", str(port))
        with pytest.raises(Conflict, match=f"Port {port} is taken.*FAIR_PREFECT_PORT={port + 1}"):
            local_server.up(current(), silent)
        monkeypatch.setenv("FAIR_PREFECT_PORT", str(free_port()))
        monkeypatch.setenv("FAIR_WEB_PORT", str(port))
        with pytest.raises(Conflict, match=f"Port {port} is taken.*FAIR_WEB_PORT={port + 1}"):
            local_server.up(current(), silent)
    assert local_server.services_of(settings).all() == []


def test_outside_of_a_checkout_there_is_nothing_to_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Invalid, match="needs a checkout"):
        local_server.up(settings, silent)


def test_a_server_elsewhere_is_not_started_here(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "https://prefect.example.org/api")
    with pytest.raises(Invalid, match="PREFECT_API_URL"):
        local_server.up(current(), silent)


def test_the_server_and_the_workers_report_nothing_home(settings: Settings) -> None:
    variables = local_server.environment(settings)
    assert variables["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert variables["DO_NOT_TRACK"] == "1"
    assert variables["ZENML_ANALYTICS_OPT_IN"] == "false"
    state = ("FAIR_HOME", "PREFECT_HOME", "ZENML_CONFIG_PATH")
    assert all(Path(variables[name]).is_relative_to(settings.home) for name in state)


def test_a_log_that_grew_large_is_put_aside_under_the_program_that_writes_it(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fair_models.cli.processes.LARGEST_LOG_BYTES", 10)
    services.folder.mkdir(parents=True, exist_ok=True)
    with services.log("server").open("ab", buffering=0) as log:
        for number in range(5):
            log.write(f"line {number} of many".encode())
            services.rotate()
        log.write(b"short")
        services.rotate()
    kept = {path.name: path.read_text() for path in services.folder.glob("server.log*")}
    assert kept == {
        "server.log": "short",
        "server.log.1": "line 4 of many",
        "server.log.2": "line 3 of many",
        "server.log.3": "line 2 of many",
    }


def test_the_server_waits_for_its_database_as_long_as_the_environment_says(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "PREFECT_SERVER_DATABASE_TIMEOUT"
    monkeypatch.delenv(name, raising=False)
    assert float(local_server.environment(settings)[name]) == 60
    monkeypatch.setenv(name, "7")
    assert local_server.environment(settings)[name] == "7"
