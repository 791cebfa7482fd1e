"""Which engine runs a model: the exact one, or the quickest of those that are known to agree with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pystac import Item

from fair_models.catalog.items import agreement, assets
from fair_models.catalog.items.agreement import Agreement
from fair_models.errors import Invalid
from fair_models.inference.network import openvino, session
from fair_models.inference.network.session import Session
from fair_models.store.protocol import Store

logger = logging.getLogger(__name__)

EngineChoice = Literal["exact", "fast"]


@dataclass(frozen=True)
class Way:
    """One way to run a model.

    engine: "onnxruntime" or "openvino".
    precision: "float32", "bfloat16" or "int8".
    """

    engine: str = session.ENGINE
    precision: str = agreement.FLOAT32

    @property
    def role(self) -> str:
        """Role of the asset that it runs."""
        return assets.QUANTIZED if self.precision == agreement.INT8 else assets.MODEL

    def __str__(self) -> str:
        return f"{agreement.ENGINES.get(self.engine, self.engine)} {self.precision}"


EXACT = Way()


@dataclass(frozen=True)
class ChosenEngine:
    """What a prediction was run with.

    way: The way.
    note: What was said about it; empty where nothing was.
    """

    way: Way = EXACT
    note: str = ""


FAST = (
    Way(openvino.ENGINE, agreement.INT8),
    Way(session.ENGINE, agreement.INT8),
    Way(openvino.ENGINE, agreement.BFLOAT16),
)
"""Quickest first. Milliseconds a chip of 256 px on 2 cores with AVX-512 that others used too, U-Net of
24 / of 0.49 million weights: 20.5 / 2.9, 29 / 3.2, 36 / 4.0; exact 73 / 7.5. OpenVINO in float32 takes
as long as ONNX Runtime (71 / 7.4), so that there is no reason to leave the exact one for it."""


def open_for(
    item: Item,
    store: Store,
    engine: EngineChoice = "exact",
    repeated: ChosenEngine | None = None,
    threads: int | None = None,
) -> Session:
    """Open the network of a model with the engine that was asked for.

    Args:
        item: The exact item of a model, with absolute hrefs.
        store: Where its files are fetched from.
        engine: "exact": float32 in ONNX Runtime. "fast": the quickest whose figures in the item are high
            enough and that can be used here; exact where there is none, and the session's `note` says why.
        repeated: What a prediction that is repeated was run with. It is that or nothing.
        threads: CPU threads; None for one per core.

    Raises:
        Invalid: The way of the repeated prediction cannot be used here; or the file cannot be run.
        InvalidItem, NotFound, Corrupted: The item lacks the file, or the file is not the one it names.
    """
    if repeated is not None:
        return _open_again(repeated, item, store, threads)
    if engine == "exact":
        return _open(EXACT, item, store, threads)
    return _open_fast(item, store, threads)


def _open_again(chosen: ChosenEngine, item: Item, store: Store, threads: int | None) -> Session:
    known = agreement.read(item.properties)
    reason = None if chosen.way == EXACT else _obstacle(chosen.way, item, known)
    if reason:
        raise Invalid(
            f"The prediction was made with {chosen.way}, and {reason}: it cannot be repeated here; start a "
            "new one"
        )
    return replace(_open(chosen.way, item, store, threads), note=chosen.note)


def _open_fast(item: Item, store: Store, threads: int | None) -> Session:
    if session.has_cuda():  # float32 on a graphics card leaves bytes on a processor behind
        return replace(_open(EXACT, item, store, threads), note="exact is the quickest way on CUDA")
    known = agreement.read(item.properties)
    reasons: list[str] = []
    for way in FAST:
        reason = _obstacle(way, item, known)
        if reason is None:
            figure = known.figure(way.engine, way.precision)
            said = f"{figure.words} against exact on held-out chips" if figure else ""
            return replace(_open(way, item, store, threads), note="; ".join([said, *reasons]))
        reasons.append(f"not {way}: {reason}")
    note = f"fast was asked for and exact was run: {'; '.join(reasons)}"
    logger.warning("%s: %s", item.id, note)
    return replace(_open(EXACT, item, store, threads), note=note)


def _obstacle(way: Way, item: Item, known: Agreement) -> str | None:
    """Why a way cannot be used for a model here; None where it can."""
    return next(_obstacles(way, item, known), None)


def _obstacles(way: Way, item: Item, known: Agreement) -> Iterator[str]:
    figure = known.figure(way.engine, way.precision)
    if figure is None:
        yield f"nobody measured how well it agrees with exact for {item.id}"
    elif figure.shortfall is not None:
        yield figure.shortfall
    if not any(assets.has_role(asset.roles or (), way.role) for asset in item.assets.values()):
        yield "the item has no 8-bit network"
    if way.engine == openvino.ENGINE:
        if not openvino.is_installed():
            yield "OpenVINO is not installed (pip install 'fair-models[fast]')"
        elif way.precision == agreement.BFLOAT16 and not openvino.has_bfloat16():
            yield "this processor has no bfloat16"


def _open(way: Way, item: Item, store: Store, threads: int | None) -> Session:
    path = store.fetch(*assets.file_ref(item, way.role))
    if way.engine == openvino.ENGINE:
        return openvino.open_openvino(path, way.precision, threads)
    return session.open_session(path, threads, way.precision)
