"""Numbers about requests, as Prometheus reads them."""

from __future__ import annotations

import os
from collections.abc import Callable

from fastapi import APIRouter, Request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.responses import Response

from fair_models.web.access import EVERYBODY

MULTIPROCESS_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""The variable with the folder where several worker processes add up their numbers."""

_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 300.0)

router = APIRouter(tags=["Operation"], dependencies=[EVERYBODY])


class Metrics:
    """The numbers of one application; further ones are made with `collectors` as their registry."""

    def __init__(self) -> None:
        self.collectors = CollectorRegistry()
        self._requests = Counter(
            "fair_http_requests",
            "Requests that were answered",
            ["method", "route", "status"],
            registry=self.collectors,
        )
        self._seconds = Histogram(
            "fair_http_request_seconds",
            "Time from the request to the end of the answer",
            ["method", "route"],
            buckets=_BUCKETS_S,
            registry=self.collectors,
        )
        self._going = Gauge(
            "fair_http_requests_in_progress",
            "Requests that are being answered",
            registry=self.collectors,
            multiprocess_mode="livesum",
        )

    def begin(self) -> Callable[[str, str, int, float], None]:
        """Count a request. Call what is returned with method, route, status and seconds when it ends."""
        self._going.inc()
        return self._end

    def _end(self, method: str, route: str, status: int, seconds: float) -> None:
        self._going.dec()
        self._requests.labels(method, route or "none", str(status)).inc()
        self._seconds.labels(method, route or "none").observe(seconds)

    def text(self) -> bytes:
        """All numbers, of all worker processes where there are several."""
        if not os.environ.get(MULTIPROCESS_FOLDER):
            return generate_latest(self.collectors)
        together = CollectorRegistry()
        MultiProcessCollector(together)  # type: ignore[no-untyped-call]
        return generate_latest(together)


@router.get("/metrics", response_class=Response, summary="Numbers about requests, for Prometheus")
def metrics(request: Request) -> Response:
    """Counts and times of requests by route and status, in the text format of Prometheus."""
    return Response(request.app.state.metrics.text(), media_type=CONTENT_TYPE_PLAIN_0_0_4)
