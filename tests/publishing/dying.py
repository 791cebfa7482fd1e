"""Processes that are killed at a chosen call, and what lies on disk afterwards."""

from __future__ import annotations

import os
import re
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from fair_models.store.atomic import UNFINISHED
from tests.children import in_child

Moment = Literal["before", "after"]
Work = Callable[["Countdown"], object]
"""An operation whose calls are counted."""

_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.:+Z]*")
_OURS = (".lock", ".index", ".journal")


@dataclass
class Countdown:
    """Counts calls, and ends this process with SIGKILL at one of them.

    at: Which call, from 1; 0 for none.
    moment: Before or after it.
    called: Names of the calls so far.
    """

    at: int = 0
    moment: Moment = "before"
    called: list[str] = field(default_factory=list)

    def call(self, name: str, function: Callable[..., Any], /, *args: Any, **options: Any) -> Any:
        self.called.append(name)
        here = len(self.called) == self.at
        if here and self.moment == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        try:
            return function(*args, **options)
        finally:
            if here:
                os.kill(os.getpid(), signal.SIGKILL)


class Deadly:
    """A catalogue, a store or a ledger whose calls count.

    Args:
        of: What does the work.
        countdown: Shared by all whose calls count together.
        only: Names of the calls that count; all where it is empty.
    """

    def __init__(self, of: Any, countdown: Countdown, only: tuple[str, ...] = ()) -> None:
        self._of = of
        self._countdown = countdown
        self._only = only

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._of, name)
        if not callable(found) or (self._only and name not in self._only):
            return found
        label = f"{type(self._of).__name__}.{name}"
        return lambda *args, **options: self._countdown.call(label, found, *args, **options)


@dataclass(frozen=True)
class Point:
    """Where a process is killed.

    at: At which call, from 1.
    of: Name of that call.
    """

    at: int
    moment: Moment
    of: str

    def __str__(self) -> str:
        return f"{self.moment} call {self.at}, {self.of}"


def points(work: Work) -> Iterator[Point]:
    """Before and after each call that an operation makes: it runs once undisturbed to know them."""
    countdown = Countdown()

    def undisturbed() -> str:
        work(countdown)
        return "\n".join(countdown.called)

    ended, said = in_child(undisturbed)
    assert ended == 0, ended
    for at, name in enumerate(said.splitlines(), start=1):
        assert re.fullmatch(r"\w+\.\w+", name), said  # an error otherwise
        for moment in ("before", "after"):
            yield Point(at, moment, name)  # type: ignore[arg-type]


def die(work: Work, point: Point) -> None:
    """Run an operation in a process that is killed at a point."""

    def killed() -> str:
        work(Countdown(point.at, point.moment))
        return "alive"

    ended, said = in_child(killed)
    assert ended == signal.SIGKILL, f"{point}: {said}"


def copy(template: Path, root: Path) -> None:
    """A copy that costs little: what is never changed in place, but replaced, is linked."""

    def link(source: str, target: str) -> None:
        if any(part.startswith(_OURS) for part in Path(source).parts):
            shutil.copy2(source, target)
        else:
            os.link(source, target)

    shutil.copytree(template, root, copy_function=link)


def content(root: Path) -> dict[str, bytes]:
    """All finished files that say or hold something, by their place; times left out."""
    found = {}
    for path in sorted(root.rglob("*")):
        place = path.relative_to(root)
        other = path.name.endswith(UNFINISHED) or any(
            part.startswith(_OURS) or part == "input" for part in place.parts
        )
        if path.is_file() and not other:
            found[str(place)] = _TIME.sub(b"TIME", path.read_bytes())
    return found
