"""The sides of a comparison over the same chips: the peer's loop, whole predictions, the engine alone."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import peer_loop
from benchmarks.seams import CLASSES, Input, Mask
from fair_models.catalog.items import agreement
from fair_models.inference.imagery.reading import open_imagery
from fair_models.inference.imagery.sources.source import parse_source
from fair_models.inference.network import engines, openvino
from fair_models.inference.network.session import Session, open_session
from fair_models.inference.prediction import PredictionRequest, predict
from fair_models.inference.streaming import ahead, stream
from fair_models.inference.windowing.plan import plan_windows
from fair_models.inference.windowing.window_steps import batches, read
from fair_models.types import Array


class Cost(NamedTuple):
    """Seconds by the clock, and of all cores."""

    wall: float
    cpu: float


@dataclass(frozen=True)
class Network:
    """A network of `benchmarks.networks`.

    folder: Where its files lie.
    name: "r34" or "c16".
    precision: Of its quicker ways the only one that counts; None: the first that agrees well enough.
    """

    folder: Path
    name: str
    precision: str | None = None

    @property
    def path(self) -> Path:
        """The ONNX file in float32."""
        return self.folder / f"{self.name}.onnx"

    @property
    def is_there(self) -> bool:
        """Whether it was made."""
        return self.path.is_file() and self._figures.is_file()

    @property
    def _figures(self) -> Path:
        return self.folder / f"{self.name}-agreement.json"

    def exact(self) -> Session:
        """It in ONNX Runtime in float32, as a prediction opens it."""
        return open_session(self.path)

    def fast(self) -> Session | None:
        """The quickest way to run it that agrees well enough and can be used here."""
        known = agreement.from_json(json.loads(self._figures.read_text(encoding="utf-8")))
        for way in engines.FAST:
            figure = known.figure(way.engine, way.precision)
            if figure is None or not figure.is_enough or self.precision not in (None, way.precision):
                continue
            path = self.path.with_name(f"{self.name}-int8.onnx") if way.precision == "int8" else self.path
            if way.engine == openvino.ENGINE:
                return openvino.open_openvino(path, way.precision)
            return open_session(path, None, way.precision)
        return None


@dataclass(frozen=True)
class Case:
    """One network over some chips.

    network: The network.
    chips: The chips; all lie in one folder.
    folder: Where results are written.
    """

    network: Network
    chips: Sequence[Path]
    folder: Path

    @cached_property
    def exact_session(self) -> Session:
        """What runs the exact prediction, and the engine alone."""
        return self.network.exact()

    @cached_property
    def fast_session(self) -> Session | None:
        """What runs the fast prediction, if there is anything."""
        return self.network.fast()

    def peer(self) -> None:
        """The loop over chips."""
        peer_loop.predict(self._peer_session, self.chips, self.folder / "peer.geojson")

    def exact(self) -> None:
        """A whole prediction."""
        self._predict(self.exact_session)

    def fast(self) -> None:
        """The same with the fast engine."""
        assert self.fast_session is not None
        self._predict(self.fast_session)

    def engine(self) -> None:
        """The windows of the whole prediction through the engine, prepared before."""
        session = self.exact_session
        with ThreadPoolExecutor(session.at_once) as pool:
            for _ in ahead(session.run, self._prepared, pool, session.at_once + 1):
                pass

    def mask_iou(self) -> float:
        """How well masks of the fast prediction agree with those of the exact one."""
        assert self.fast_session is not None
        exact, fast = (self._mask(session) for session in (self.exact_session, self.fast_session))
        return float((exact & fast).sum() / (exact | fast).sum())

    @cached_property
    def _peer_session(self) -> Any:
        return peer_loop.open_session(self.network.path)

    @cached_property
    def _prepared(self) -> list[Array]:
        request = self._request(self.exact_session)
        with open_imagery(self.chips[0].parent, request.input) as imagery:
            plan = plan_windows(imagery, request)
            windows = (read(*job, plan.model) for job in plan.jobs)
            return [np.stack([window.values for window in batch]) for batch in batches(windows)]

    def _predict(self, session: Session) -> None:
        request = self._request(session)
        predict(request)
        shutil.rmtree(request.output)

    def _mask(self, session: Session) -> Array:
        """Which pixels are buildings, of all blocks."""
        request = self._request(session)
        mask = Mask()
        with open_imagery(self.chips[0].parent, request.input) as imagery:
            for _ in stream(imagery, request, rasters=[mask]):
                pass
        return np.concatenate([part.ravel() for part in mask.parts]) == 1

    def _request(self, session: Session) -> PredictionRequest:
        from models.unet_segmentation import processing

        return PredictionRequest(
            imagery=parse_source(self.chips[0].parent),
            output=self.folder / "prediction",
            session=session,
            processing=processing,
            input=Input(),
            classes=CLASSES,
            params={},
            formats=["geoparquet"],
        )
