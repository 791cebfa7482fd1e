"""What the tests share that feed readers with broken input: mutations, and the promise that is checked.

The promise: whatever comes in, a reader gives an answer or raises an error of our family. Inputs are the same
in every run. How many were tried is told at the end of a run of pytest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from fair_models.errors import FairModelsError

T = TypeVar("T", bound=Callable[..., Any])

tried = 0
"""Inputs since the last test ended."""


def fuzz(inputs: int) -> Callable[[T], T]:
    """Settings of a test over this many inputs, the same ones in every run."""
    return settings(
        max_examples=inputs,
        derandomize=True,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@contextmanager
def only_our_errors() -> Iterator[None]:
    """One input: passes where nothing, or an error of our family, comes out."""
    global tried
    tried += 1
    with suppress(FairModelsError):
        yield


JSON: SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([0, -1, 2**63, 2**64, 10**400, "", "\x00", "\u202e", "roofs-v1", "./a", "/etc/passwd"])
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@st.composite
def mutated_json(draw: DrawFn, document: Any, most: int = 3) -> Any:
    """A document with up to a few of its values replaced or taken out."""
    document = deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        places = list(_places(document))
        if not places:
            break
        parent, key = places[draw(st.integers(0, len(places) - 1))]
        if isinstance(parent, dict) and draw(st.booleans()):
            del parent[key]
        else:
            parent[key] = draw(JSON)
    return document


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in entries:
        yield node, key
        yield from _places(value)


@st.composite
def mutated_bytes(draw: DrawFn, data: bytes, most: int = 4, head: int | None = None) -> bytes:
    """Bytes with a few places changed, cut out, doubled or cut off.

    Args:
        draw: Of hypothesis.
        data: What is right.
        most: Changes at most.
        head: Change within the first bytes more often: there lie headers.
    """
    changed = bytearray(data)
    for _ in range(draw(st.integers(1, most))):
        last = max(0, len(changed) - 1)
        near = min(last, head or last)
        at = draw(st.integers(0, near) | st.integers(0, last))
        match draw(st.sampled_from(["change", "change", "insert", "remove", "cut", "fill"])):
            case "change":
                some = draw(st.binary(min_size=1, max_size=8))
                changed[at : at + len(some)] = some
            case "insert":
                changed[at:at] = draw(st.binary(min_size=1, max_size=8))
            case "remove":
                del changed[at : at + draw(st.integers(1, 64))]
            case "cut":
                del changed[at:]
            case _:
                changed[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, b"\x00" * 4, b"\x7f\xff\xff\xff"]))
    return bytes(changed)
