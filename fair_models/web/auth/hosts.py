"""By which names the service may be asked, and from which websites it may be written to.

Without this any website that somebody opens could start runs: through the browser's own requests to this
machine, or through a name of its own that suddenly means 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
import re
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from fair_models.errors import Invalid
from fair_models.settings import Settings
from fair_models.web import problems

LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
"""Names of this machine for itself."""

READING = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\.?(?::([0-9]{1,5}))?")


def names_of(settings: Settings) -> frozenset[str]:
    """All names by which the service may be asked, without ports."""
    public = urlsplit(settings.public_url or "").hostname
    shown = {f"[{public}]" if ":" in public else public} if public else set()
    return LOOPBACK | shown | set(settings.web_hosts)


def is_loopback(host: str) -> bool:
    """Whether a name or address of a network interface is of this machine alone."""
    bare = host.strip("[]").partition("%")[0]
    if bare.lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(bare)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def require_loopback(settings: Settings, host: str | None = None) -> None:
    """Refuse to run without authentication where others could reach the service.

    Args:
        settings: The service's settings.
        host: The address on which it shall listen. None: not known here.

    Raises:
        Invalid: FAIR_WEB_AUTH is off, and the service is for more than this machine.
    """
    if settings.web_auth != "off":
        return
    elsewhere = sorted(name for name in names_of(settings) if not is_loopback(name))
    if host is not None and not is_loopback(host):
        elsewhere.append(host)
    if elsewhere:
        raise Invalid(
            f"The web service has no authentication (FAIR_WEB_AUTH=off) and would be reached at "
            f"{', '.join(elsewhere)}: everybody there could start runs and delete models. Set FAIR_WEB_AUTH "
            "to tokens or oidc, or listen on 127.0.0.1 and unset FAIR_PUBLIC_URL and FAIR_WEB_HOSTS"
        )


class Hosts:
    """Refuses requests under names that are not ours, and writes that other websites make browsers send.

    Args:
        app: What answers.
        settings: Which names and websites there are.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._names = names_of(settings)
        self._is_open = settings.web_auth == "off"
        self._public = _origin(settings.public_url)
        self._named = frozenset(filter(None, map(_origin, settings.web_cors_origins)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        try:
            self._check(scope)
        except problems.Problem as refused:
            await problems.refuse(refused, scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope) -> None:
        host = one_header(scope, b"host")
        found = _HOST.fullmatch(host or "")
        if host is None or found is None:
            raise problems.Problem("malformed", "The request needs one Host header, with a name and a port")
        if found[1].lower() not in self._names:
            raise problems.Problem(
                "misdirected",
                f"This service is not {found[1]}. Its names are those in FAIR_WEB_HOSTS and of "
                "FAIR_PUBLIC_URL, and localhost; an operator adds to them",
            )
        if self._is_open:
            _require_local(scope)
        if scope["type"] == "websocket" or scope["method"] not in READING:
            self._check_origin(scope, host)

    def _check_origin(self, scope: Scope, host: str) -> None:
        """A write comes from a program, which names no website, or from pages that are ours or named."""
        origin = one_header(scope, b"origin")
        if origin is not None:
            asked = _origin(origin)
            if asked is None or not (asked in self._named or self._is_ours(asked, scope, host)):
                raise _foreign(origin)
            return
        if one_header(scope, b"sec-fetch-site") == "cross-site":
            raise _foreign("another website")

    def _is_ours(self, origin: str, scope: Scope, host: str) -> bool:
        if origin == self._public:
            return True
        asked = f"{scope.get('scheme', 'http')}://{host}".replace("ws://", "http://").replace(
            "wss://", "https://"
        )
        # A proxy that ends TLS hands on http; a page over https is never less trusted than one over http.
        return origin in {_origin(asked), _origin(asked.replace("http://", "https://", 1))}


def one_header(scope: Scope, name: bytes) -> str | None:
    """A header that may come once. None where it does not come.

    Raises:
        Problem: It comes twice: what two programs on the way read could differ.
    """
    found = [value for key, value in scope["headers"] if key == name]
    if len(found) > 1:
        raise problems.Problem(
            "malformed", f"The header {name.decode().title()} comes {len(found)} times. Send it once"
        )
    return found[0].decode("latin-1") if found else None


def _origin(address: str | None) -> str | None:
    """Scheme, name and port of an address in one form; None for "null" and what is no address."""
    try:
        parts = urlsplit(address or "")
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    default = 443 if parts.scheme == "https" else 80
    return f"{parts.scheme}://{parts.hostname}:{port or default}"


def _foreign(origin: str) -> problems.Problem:
    return problems.Problem(
        "forbidden",
        f"The request comes from a page of {origin[:200]}, which may not change anything here. An operator "
        "names such a website in FAIR_WEB_CORS_ORIGINS",
    )


def _require_local(scope: Scope) -> None:
    """Without authentication nobody but this machine is answered, however the server was started."""
    ends = [end[0] for end in (scope.get("server"), scope.get("client")) if end and end[1] is not None]
    if away := [end for end in ends if not is_loopback(end)]:
        raise problems.Problem(
            "forbidden",
            f"The service has no authentication and answers this machine alone, not {away[-1]}. "
            "Set FAIR_WEB_AUTH to tokens or oidc",
        )
