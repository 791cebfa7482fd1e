"""Idempotency keys: a key identifies one request, and its attempts if the first one did not complete.

The server keeps keys for each flow: the same key gives the same run, whatever its parameters are, and another
flow may use it again. Here a key belongs to one request to one deployment. From the second on, attempt n has
a key of its own, "<key>#n", so that starting it twice starts one run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fair_models.client.runs import FlowRun
from fair_models.errors import Conflict, FairModelsError, Invalid
from fair_models.json_schema import sentences

ATTEMPTS = 100
"""Maximum number of attempts of one request."""

_KEY = re.compile(r"[^\s#\x00-\x1f\x7f]{1,200}")
_NOTHING = object()
_ENDS = {"FAILED": "failed", "CRASHED": "crashed", "CANCELLED": "was cancelled"}


class RunEnded(FairModelsError):
    """The run of a key failed, crashed or was cancelled.

    run: The run as it ended.
    """

    def __init__(self, key: str, run: FlowRun) -> None:
        self.key, self.run = key, run
        when = f" at {run.ended:%Y-%m-%d %H:%M:%S} UTC" if run.ended else ""
        why = f": {run.state.message.rstrip('.')}" if run.state.message else ""
        super().__init__(
            f"Key {key!r} belongs to run {run.id} ({run.name}), which {_ENDS[run.state.type]}{when}{why}. "
            "No new run was started. Start one with the same key: --again (in Python: again=True)"
        )

    def __reduce__(self) -> tuple[type, tuple[str, FlowRun]]:
        return type(self), (self.key, self.run)


def check(key: str) -> str:
    """The key, if it is valid. Raises Invalid."""
    if not _KEY.fullmatch(key):
        raise Invalid(
            f"Idempotency key {key!r} is not valid: 1 to 200 characters without spaces and #. "
            "Use for example the id of your request"
        )
    return key


def attempt(key: str, number: int) -> str:
    """The key of one attempt; the first has the key itself. Raises Conflict past the maximum."""
    if number > ATTEMPTS:
        raise Conflict(f"Key {key!r} was used for {ATTEMPTS} attempts, the maximum. Use a new key")
    return key if number == 1 else f"{key}#{number}"


def request(key: str) -> str:
    """The key of the request that an attempt is of."""
    return key.partition("#")[0]


def number(key: str | None) -> int:
    """Which attempt a key is of."""
    _, _, written = (key or "").partition("#")
    return int(written) if written else 1


def attempts(key: str) -> list[str]:
    """The keys of all possible attempts, in order."""
    return [attempt(key, number) for number in range(1, ATTEMPTS + 1)]


def require_same(key: str, run: FlowRun, deployment_id: str, deployment: str, params: Any) -> None:
    """Raise Conflict if a key belongs to another request; names what differs."""
    reasons = differences(run.parameters.get("params"), params)
    if run.deployment_id != deployment_id:
        reasons = [f"it is a run of {run.flow}, not of {deployment}"]
    if reasons:
        raise Conflict(
            f"Key {key!r} belongs to another request, run {run.id} ({run.name}, {run.state.name.lower()}): "
            f"{'; '.join(reasons)}. Use a new key for another request"
        )


def differences(before: Any, now: Any) -> list[str]:
    """Where the parameters of two requests differ: "params.seed was 42 and is now 7"."""
    as_sent = json.loads(json.dumps(now))
    return [
        f"{sentences.path(path)} was {_shown(old)} and is now {_shown(new)}"
        for path, old, new in _changes(before, as_sent, ("params",))
    ]


def _changes(before: Any, now: Any, path: tuple[str | int, ...]) -> Iterator[tuple[Sequence[Any], Any, Any]]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for name in dict.fromkeys([*before, *now]):
            yield from _changes(before.get(name, _NOTHING), now.get(name, _NOTHING), (*path, name))
    elif before != now or isinstance(before, bool) is not isinstance(now, bool):
        yield path, before, now


def _shown(value: Any) -> str:
    text = "not given" if value is _NOTHING else repr(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
