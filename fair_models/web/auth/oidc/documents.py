"""What an identity provider publishes: its description and its keys, fetched within bounds and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

import httpcore
import orjson
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from fair_models.errors import FairModelsError, Invalid, Unavailable
from fair_models.store import locations
from fair_models.store.web.connections import (
    CheckedBackend,
    headers,
    request_url,
    timeouts,
    translate_errors,
    trust,
)
from fair_models.types import Json

MAX_BYTES = 512 * 2**10
MAX_KEYS = 100
TIMEOUT_S = 10.0
_DESCRIPTION_S = 3600.0
_KEYS_S = 600.0
_STALE_S = 3600.0
"""For how long what was fetched before is used while the provider does not answer."""
_AGAIN_S = 30.0
"""How long to wait before asking again for a key that nobody knows, or for what is old."""
_PAUSE_S = 3.0
"""How long to wait before asking again for what nobody has."""

_NEEDED = ("authorization_endpoint", "token_endpoint", "jwks_uri")

T = TypeVar("T")
SigningKey = RSAKey | ECKey | OKPKey


@dataclass(frozen=True)
class Description:
    """Where a provider does what.

    signs_out: Where a browser ends its session at the provider; None where it offers no such page.
    takes_basic: Whether a secret is sent as a login; in the form otherwise.
    """

    authorises: str
    gives_tokens: str
    has_keys: str
    signs_out: str | None
    takes_basic: bool


class Documents:
    """The documents of one provider. One object serves any number of threads.

    Args:
        issuer: The provider's address, as its tokens write it.
        now: Seconds of a clock that only goes forward.
    """

    def __init__(self, issuer: str, now: Callable[[], float] = time.monotonic) -> None:
        self.issuer = issuer
        self._description = _Kept(self._fetch_description, _DESCRIPTION_S, now)
        self._keys = _Kept(self._fetch_keys, _KEYS_S, now)

    def description(self) -> Description:
        """Where the provider does what. Raises Unavailable and Invalid."""
        return self._description.get()

    def keys(self, key_id: str | None) -> list[SigningKey]:
        """The keys that a token may be signed with: those of an id, or all where it names none.

        A key that is not known makes the service look for new ones: not more often than twice a minute.

        Raises:
            Unavailable: The provider does not answer, and what it said before is too old.
            Invalid: Its answer cannot be used.
        """
        found = _named(self._keys.get(), key_id)
        if not found and self._keys.renew():
            found = _named(self._keys.get(), key_id)
        return found

    def _fetch_description(self) -> Description:
        said = fetch_json(f"{self.issuer.rstrip('/')}/.well-known/openid-configuration")
        if said.get("issuer") != self.issuer:
            raise Invalid(
                f"The identity provider calls itself {str(said.get('issuer'))[:200]!r}, and "
                f"FAIR_WEB_OIDC_ISSUER is {self.issuer!r}. Write it exactly as the provider does"
            )
        try:
            authorises, gives_tokens, has_keys = (str(said[name]) for name in _NEEDED)
        except KeyError as error:
            raise Invalid(f"The identity provider {self.issuer} does not say its {error}") from error
        ends = said.get("end_session_endpoint")
        methods = said.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        for place in (authorises, gives_tokens, has_keys):
            locations.parse_web(place)
        return Description(
            authorises,
            gives_tokens,
            has_keys,
            str(ends) if ends else None,
            "client_secret_basic" in methods,
        )

    def _fetch_keys(self) -> list[SigningKey]:
        said = fetch_json(self.description().has_keys)
        written = said.get("keys")
        if not isinstance(written, list) or len(written) > MAX_KEYS:
            raise Invalid(
                f"The keys of the identity provider {self.issuer} are none, or more than {MAX_KEYS}"
            )
        keys: list[SigningKey] = []
        for each in written:
            if not isinstance(each, dict) or each.get("use", "sig") != "sig":
                continue
            try:
                (key,) = KeySet.import_key_set({"keys": [each]}).keys
            except (JoseError, ValueError, TypeError, KeyError):
                continue  # a kind of key that nobody here knows: others of the set may do
            # A symmetric key in a public document would let everybody sign.
            if isinstance(key, RSAKey | ECKey | OKPKey):
                keys.append(key)
        return keys


class _Kept(Generic[T]):
    """A document, fetched again when it is old. One thread fetches; others take the old one, or wait.

    Args:
        fetch: Fetches it.
        life_s: For how long it is used without a question.
        now: The clock.
    """

    def __init__(self, fetch: Callable[[], T], life_s: float, now: Callable[[], float]) -> None:
        self._fetch, self._life_s, self._now = fetch, life_s, now
        self._lock = Lock()
        self._value: tuple[T, float] | None = None
        self._asked = float("-inf")
        self._failed: FairModelsError | None = None

    def get(self) -> T:
        """The document. An old one serves for a while where a new one cannot be had."""
        now, known = self._now(), self._value
        if known is not None and now - known[1] < self._life_s:
            return known[0]
        usable = known is not None and now - known[1] < self._life_s + _STALE_S
        if known is not None and usable and (now - self._asked < _AGAIN_S or self._lock.locked()):
            return known[0]
        with self._lock:
            if self._value is not None and self._value is not known:
                return self._value[0]  # somebody else fetched it meanwhile
            if self._failed is not None and now - self._asked < _PAUSE_S:
                raise self._failed
            try:
                return self._fetched()
            except FairModelsError:
                if known is None or not usable:
                    raise
                return known[0]

    def renew(self) -> bool:
        """Fetch it now, if it was not asked for a moment ago. Returns whether it was fetched."""
        with self._lock:
            if self._now() - self._asked < _AGAIN_S:
                return False
            try:
                self._fetched()
            except FairModelsError:
                return False
            return True

    def _fetched(self) -> T:
        self._asked = self._now()
        try:
            value = self._fetch()
        except FairModelsError as error:
            self._failed = error
            raise
        self._failed, self._value = None, (value, self._now())
        return value


def fetch_json(address: str, form: Mapping[str, str] | None = None, login: str | None = None) -> Json:
    """The JSON object at an address, or the answer to a form.

    The rules for addresses hold: https and public, or named in FAIR_ALLOWED_HOSTS. No redirect is followed.

    Args:
        address: Where.
        form: What is sent.
        login: Value of the header Authorization.

    Raises:
        Invalid: Nothing may be asked there, or the answer is no such document.
        Unavailable: It does not answer in time.
    """
    place = locations.parse_web(address)
    until = time.monotonic() + TIMEOUT_S
    sent: list[tuple[str, str]] = [("Accept", "application/json")]
    body = b""
    if form is not None:
        body = urlencode(form).encode()
        sent += [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Content-Length", str(len(body))),
        ]
    if login is not None:
        sent.append(("Authorization", login))
    pool = httpcore.ConnectionPool(ssl_context=trust(), network_backend=CheckedBackend(lambda: until))
    with (
        translate_errors(place.shown),
        pool,
        pool.stream(
            "GET" if form is None else "POST",
            request_url(place),
            headers=headers(place, sent),
            content=body,
            extensions=timeouts(TIMEOUT_S),
        ) as answer,
    ):
        content = b""
        for piece in answer.iter_stream():
            content += piece
            if len(content) > MAX_BYTES:
                raise Invalid(f"{place.shown} answers with more than {MAX_BYTES} bytes")
    return _read(place.shown, answer.status, content)


def _read(shown: str, status: int, content: bytes) -> Json:
    if status >= 500:
        raise Unavailable(f"The identity provider answers {status} at {shown}. Try again later")
    try:
        said: Any = orjson.loads(content)
    except orjson.JSONDecodeError:
        said = None
    if status != 200 or not isinstance(said, dict):
        reason = said.get("error") if isinstance(said, dict) else "no JSON object"
        raise Invalid(f"The identity provider answers {status} at {shown}: {str(reason)[:200]}")
    return said


def _named(keys: list[SigningKey], key_id: str | None) -> list[SigningKey]:
    return [key for key in keys if key_id is None or key.kid == key_id]
