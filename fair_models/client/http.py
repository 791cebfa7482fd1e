"""Requests to Prefect's REST API: timeouts, retries, and answers turned into our errors."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from fair_models.errors import FairModelsError, NotFound, Unavailable
from fair_models.types import Json

if TYPE_CHECKING:
    import httpx

PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
_PASSING = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same request may well succeed: overloaded, restarting, a busy database."""


_PAGE = 200
"""Things that the server gives in one answer, at most."""


class Refused(FairModelsError):
    """The server answered that it will not. `status` is the HTTP status code."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class Http:
    """One connection. Every request here may be sent twice without harm, so all are retried.

    A request that starts a run carries an idempotency key, the same in every try.
    A server that does not accept connections is told at once; one that accepted some before, breaks off, or
    is overloaded, is tried again for a few seconds.

    Args:
        api_url: Address of the API.
        timeout_s: How long one try may take, in seconds.
        pauses_s: How long to wait before each further try, in seconds.
        auth: "user:password" of a server that asks for them. Never part of an error.
    """

    def __init__(
        self,
        api_url: str,
        timeout_s: float,
        pauses_s: Sequence[float] = PAUSES_S,
        auth: SecretStr | None = None,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self._timeout_s, self._auth = timeout_s, auth
        self._pauses_s = pauses_s
        self._answered = False
        self._opened: httpx.Client | None = None
        self._opening = Lock()

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self._send("GET", path, None)

    def post(self, path: str, body: Json) -> Any:
        """What the server answers to a JSON object."""
        return self._send("POST", path, body)

    def pages(self, path: str, body: Json, size: int = _PAGE) -> Iterator[Json]:
        """Everything that a filter finds, asked for page by page as it is needed, each thing once.

        Args:
            path: The filter's path.
            body: What is looked for, and how it is sorted.
            size: Things to ask for at once, 1 to 200.
        """
        seen: set[str] = set()
        for offset in count(step=size):
            page = self.post(path, {**body, "limit": size, "offset": offset})
            for each in page:
                if each["id"] not in seen:  # a thing made meanwhile moves others to the next page
                    seen.add(each["id"])
                    yield each
            if len(page) < size:
                return

    def close(self) -> None:
        """End the connection."""
        if self._opened is not None:
            self._opened.close()

    def _client(self) -> httpx.Client:
        """The connection, made for the first request: a refused command makes none."""
        import httpx

        with self._opening:
            if self._opened is None:
                login = self._auth.get_secret_value().partition(":")[::2] if self._auth else None
                self._opened = httpx.Client(base_url=self.api_url, timeout=self._timeout_s, auth=login)
            return self._opened

    def _send(self, method: str, path: str, body: Json | None) -> Any:
        import httpx

        client = self._client()
        for pause_s in (*self._pauses_s, None):
            try:
                answer = client.request(method, path, json=body)
            except httpx.TransportError as error:
                is_away = isinstance(error, httpx.ConnectError) and not self._answered
                if pause_s is None or is_away:
                    raise self._unavailable(str(error) or type(error).__name__) from error
            else:
                self._answered = True
                if answer.status_code not in _PASSING:
                    return _content(answer)
                if pause_s is None:
                    raise self._unavailable(f"it answers {answer.status_code}")
            time.sleep(pause_s)
        raise AssertionError("unreachable")

    def _unavailable(self, reason: str) -> Unavailable:
        return Unavailable(
            f"No Prefect server answers at {self.api_url} ({reason}). "
            "Start a local one with `fair-models up`, or set PREFECT_API_URL to one that runs"
        )


def _content(answer: httpx.Response) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    try:
        detail = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        detail = answer.text[:500]
    if answer.status_code == 404:
        raise NotFound(str(detail))
    if answer.status_code == 401:
        detail = "it wants a user and a password. Set PREFECT_API_AUTH_STRING to user:password"
    raise Refused(answer.status_code, f"The Prefect server refuses ({answer.status_code}): {detail}")
