"""Reading stored files piece by piece, without a copy on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from fair_models.errors import Corrupted
from fair_models.store.protocol import Store


def verified(store: Store, href: str, sha256: str, name: str) -> Iterator[bytes]:
    """The bytes of a file, the last piece only when all of them are those of its digest.

    So whoever passes the pieces on never finishes a file that is not the right one.

    Args:
        store: Where it lies.
        href: Its address.
        sha256: Hex digest that its bytes must have.
        name: What messages call it.

    Raises:
        NotFound: Nothing lies there: at the call.
        Corrupted: The bytes are others: in place of the last piece.
    """
    return _verified(store.pieces(href), sha256, name)


def _verified(pieces: Iterator[bytes], sha256: str, name: str) -> Iterator[bytes]:
    hashed, held = hashlib.sha256(), b""
    for piece in pieces:
        if held:
            yield held
        hashed.update(piece)
        held = piece
    if hashed.hexdigest() != sha256:
        raise differs(name)
    if held:
        yield held


def differs(name: str) -> Corrupted:
    """What is said of a file whose bytes are not those of its digest."""
    return Corrupted(
        f"{name} holds other bytes than its digest says: whoever runs the registry has to put the right file "
        "back, or publish it again"
    )
