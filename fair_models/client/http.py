"""Requests to Prefect's REST API: timeouts, retries, and answers turned into our errors."""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from fair_models.errors import FairModelsError, NotFound, Unavailable
from fair_models.types import Json

if TYPE_CHECKING:
    import httpx

PAUSES_S = (0.2, 0.4, 0.8, 1.5, *(2.0,) * 9)
"""Some 20 s in short steps: a database that is locked is free again now and then, but never for long."""

_SPREAD = 0.5
"""Each pause is up to this part shorter or longer: those who were refused together must not meet again."""

_LAST_TRY_S = 180.0
"""Seconds after which a request is not sent again, where tries end by their timeout."""

_TRANSIENT = frozenset({429, 500, 502, 503, 504})
"""Answers after which the same request may succeed: an overloaded or restarting server, a busy database."""

_LITTLE_BYTES = 2**20
"""Less free space than this ends a local server: its database cannot be written."""

_TRIES_ON_A_FULL_DISK = 4
"""Tries of a request where the disk is full, some 1.4 s: what filled it may be gone with its run."""

_PAGE = 200
"""Maximum number of entries that the server returns in one answer."""


class Refused(FairModelsError):
    """The server refused a request. `status` is the HTTP status code."""

    def __init__(self, status: int, detail: str) -> None:
        self.status = status
        super().__init__(detail)


class Http:
    """One connection. Every request here may be sent twice without harm, so every request is retried.

    A request that starts a run carries an idempotency key, the same in every try.
    A server that never accepted a connection is reported at once. After a broken connection or from an
    overloaded server, a request is tried again for some 20 seconds.

    Args:
        api_url: Address of the API.
        timeout_s: Timeout of one try, in seconds.
        pauses_s: Pause before each further try, in seconds; each is varied by half.
        auth: "user:password" of a server that needs a login. Never part of an error.
        home: Folder where a server on this machine keeps its state: a full disk there is named. None: the
            server is on another machine.
    """

    def __init__(
        self,
        api_url: str,
        timeout_s: float,
        pauses_s: Sequence[float] = PAUSES_S,
        auth: SecretStr | None = None,
        home: Path | None = None,
    ) -> None:
        self.api_url = api_url.rstrip("/")
        self.home = home
        self._timeout_s, self._auth = timeout_s, auth
        self._pauses_s = pauses_s
        self._answered = False
        self._opened: httpx.Client | None = None
        self._opening = Lock()

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self._send("GET", path, None)

    def post(self, path: str, body: Json) -> Any:
        """The server's answer to a JSON object."""
        return self._send("POST", path, body)

    def pages(self, path: str, body: Json, size: int = _PAGE) -> Iterator[Json]:
        """Everything that a filter finds, read page by page as needed, each entry once.

        Args:
            path: The filter's path.
            body: The filter and the order.
            size: Entries of one page, 1 to 200.
        """
        seen: set[str] = set()
        for offset in count(step=size):
            page = self.post(path, {**body, "limit": size, "offset": offset})
            for each in page:
                if each["id"] not in seen:  # a new entry moves others to the next page
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
        until = time.monotonic() + _LAST_TRY_S
        for tries, pause_s in enumerate((*self._pauses_s, None), 1):
            try:
                answer = client.request(method, path, json=body)
            except httpx.TransportError as error:
                is_away = isinstance(error, httpx.ConnectError) and not self._answered
                if pause_s is None or is_away or self._is_in_vain(tries, until):
                    raise self._unavailable(str(error) or type(error).__name__) from error
            else:
                self._answered = True
                if answer.status_code not in _TRANSIENT:
                    return _content(answer)
                if pause_s is None or self._is_in_vain(tries, until):
                    raise self._unavailable(f"it answers {answer.status_code}")
            time.sleep(pause_s * random.uniform(1 - _SPREAD, 1 + _SPREAD))  # noqa: S311 - no secret
        raise AssertionError("unreachable")

    def full_disk(self) -> int | None:
        """Free bytes of the disk of a local server where they are too few; else, or elsewhere, None."""
        if self.home is None or not self.home.is_dir():
            return None
        free = shutil.disk_usage(self.home).free
        return free if free < _LITTLE_BYTES else None

    def _is_in_vain(self, tries: int, until: float) -> bool:
        """Whether a further try is not worth its pause."""
        return time.monotonic() > until or (tries >= _TRIES_ON_A_FULL_DISK and self.full_disk() is not None)

    def _unavailable(self, reason: str) -> Unavailable:
        free = self.full_disk()
        if free is not None:
            return Unavailable(
                f"No Prefect server answers at {self.api_url} ({reason}). The disk is full, "
                f"{free} bytes are free in {self.home}, and a server cannot run so: "
                "make room there, then start it again with `fair-models up`"
            )
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
        detail = "it needs a user and a password. Set PREFECT_API_AUTH_STRING to user:password"
    raise Refused(answer.status_code, f"The Prefect server refuses ({answer.status_code}): {detail}")
