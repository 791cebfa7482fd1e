"""Processes that `fair-models up` starts and `fair-models down` ends.

Each has a file with its id under the home folder. All of them, and whatever they start, carry the home
folder in their environment, so that they are found again after a crash.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil

from fair_models.errors import FairModelsError
from fair_models.store.atomic import write_json

MARK = "FAIR_STARTED_BY_UP"
GRACE_S = 10

LARGEST_LOG_BYTES = 20 * 2**20
"""A log that grew larger is put aside when something is started."""

KEPT_LOGS = 3
"""How many of those are kept: NAME.log.1, the newest, to NAME.log.3."""

_SAME_START_S = 1.0


@dataclass(frozen=True)
class Services:
    """The processes of one home folder.

    home: Their mark.
    folder: Where their ids and logs lie.
    """

    home: Path
    folder: Path

    def start(
        self, name: str, command: Sequence[str], cwd: Path, environment: Mapping[str, str]
    ) -> psutil.Popen:
        """Start a program in a session of its own; its output goes to `<name>.log`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.rotate(name)
        with self.log(name).open("ab") as log:
            process = psutil.Popen(
                command,
                cwd=cwd,
                env={**environment, MARK: str(self.home)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.note(name, process)
        return process

    def note(self, name: str, process: psutil.Process) -> None:
        """Write down which process has this name."""
        write_json(self._file(name), {"pid": process.pid, "started": process.create_time()})

    def find(self, name: str) -> psutil.Process | None:
        """The process of this name, if it is still the one that was started."""
        try:
            written = json.loads(self._file(name).read_text(encoding="utf-8"))
            process = psutil.Process(written["pid"])
            same = abs(process.create_time() - written["started"]) < _SAME_START_S
        except (FileNotFoundError, psutil.NoSuchProcess):
            return None
        return process if same and is_alive(process) else None

    def all(self) -> list[psutil.Process]:
        """Every other process that carries this home's mark, whoever started it."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.pid != os.getpid() and process.environ().get(MARK) == str(self.home):
                    found.append(process)
        return found

    def forget(self, name: str = "*") -> None:
        """Take the file with the id of this process away, or all of them."""
        for path in self.folder.glob(f"{name}.json"):
            path.unlink(missing_ok=True)

    def log(self, name: str) -> Path:
        """Where the output of a process goes."""
        return self.folder / f"{name}.log"

    def rotate(self, name: str = "*") -> None:
        """Put logs that grew large aside, also of programs that go on writing; the oldest of them goes.

        They append, so that a file that is emptied under them is written from its start.
        """
        for path in self.folder.glob(f"{name}.log"):
            if path.stat().st_size <= LARGEST_LOG_BYTES:
                continue
            kept = [path.with_name(f"{path.name}.{number + 1}") for number in range(KEPT_LOGS)]
            for newer, older in reversed([*pairwise(kept)]):
                with suppress(FileNotFoundError):
                    newer.replace(older)
            shutil.copyfile(path, kept[0])
            os.truncate(path, 0)

    def died(self, name: str) -> FairModelsError:
        """The error to raise when a process ended by itself: its last words, and where the rest is."""
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return FairModelsError(
            f"{name} did not start: {' / '.join(lines[-3:])}. All of its output: {self.log(name)}"
        )

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def is_alive(process: psutil.Process) -> bool:
    """Whether a process still runs; one that ended but was not collected does not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def end(processes: Sequence[psutil.Process], grace_s: float = GRACE_S) -> None:
    """Ask processes to end, and kill those that still run after the grace."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    _, stubborn = psutil.wait_procs(processes, timeout=grace_s)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=grace_s)
