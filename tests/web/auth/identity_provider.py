"""A small OpenID Connect provider: real HTTP, real keys, and people who always agree."""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from fair_models.web.auth.oidc.provider import challenge

CLIENT = "fair"
SECRET = "a secret: with/signs"


@dataclass
class IdentityProvider:
    """The provider.

    issuer: Its address.
    keys: Its keys; the last one signs.
    person: Claims of whoever signs in next.
    asked: Paths that were asked for.
    wrong: What it does wrong, by name.
    """

    issuer: str
    keys: list[RSAKey | ECKey] = field(default_factory=list)
    person: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    wrong: set[str] = field(default_factory=set)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    extra_keys: list[dict[str, Any]] = field(default_factory=list)

    def rotate(self) -> None:
        """Sign with a new key; the old ones are published no more."""
        self.keys[:] = [new_key()]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Claims of a token that is good now."""
        now = int(time.time())
        said = {
            "iss": self.issuer,
            "aud": CLIENT,
            "sub": "person-1",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "preferred_username": "Amina K",
            **self.person,
        }
        return {key: value for key, value in {**said, **changed}.items() if value is not None}

    def token(self, *, key: Any = None, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A signed token; with another key or header a forged one."""
        signing = key or self.keys[-1]
        algorithm = "RS256" if isinstance(signing, RSAKey) else "ES256"
        head = {"alg": algorithm, "kid": signing.kid, **(header or {})}
        head = {name: value for name, value in head.items() if value is not None}
        return jwt.encode(head, self.claims(**changed), signing, algorithms=[str(head["alg"])])

    def by_shared_secret(self, secret: bytes, **changed: Any) -> str:
        """A token that is signed with a secret, as if that were a key."""
        signed = self._written({"alg": "HS256", "kid": self.keys[-1].kid}, **changed)
        return f"{signed}.{_part(hmac.digest(secret, signed.encode(), 'sha256'))}"

    def with_header(self, **header: Any) -> str:
        """A token with a good signature under a header that no library would write."""
        key = self.keys[-1]
        signed = self._written({"alg": "RS256", "kid": key.kid, **header})
        private: Any = key.get_op_key("sign")
        return f"{signed}.{_part(private.sign(signed.encode(), PKCS1v15(), SHA256()))}"

    def _written(self, header: dict[str, Any], **changed: Any) -> str:
        return ".".join(_part(json.dumps(part).encode()) for part in (header, self.claims(**changed)))

    def unsigned(self) -> str:
        """A token without a signature."""
        return f"{self._written({'alg': 'none', 'kid': self.keys[-1].kid})}."


def new_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig", "kid": secrets.token_hex(4), "alg": "RS256"})


@contextmanager
def running(host: str = "127.0.0.1") -> Iterator[IdentityProvider]:
    """A provider for the time of the block."""
    server = ThreadingHTTPServer((host, 0), _Handler)
    provider = IdentityProvider(f"http://{host}:{server.server_port}/realm", [new_key()])
    server.provider = provider  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def provider(self) -> IdentityProvider:
        return self.server.provider  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {key: values[0] for key, values in parse_qs(parts.query).items()}
        self.provider.asked.append(parts.path)
        if "away" in self.provider.wrong:
            self._answer(503, {"error": "away"})
        elif parts.path.endswith("/.well-known/openid-configuration"):
            self._answer(200, self._description())
        elif parts.path.endswith("/jwks"):
            keys = [key.as_dict(private=False) for key in self.provider.keys]
            self._answer(200, {"keys": [*keys, *self.provider.extra_keys]})
        elif parts.path.endswith("/authorize"):
            self._authorise(asked)
        else:
            self._answer(404, {"error": "not_found"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {key: values[0] for key, values in parse_qs(body).items()}
        self.provider.asked.append(self.path)
        begun = self.provider.codes.pop(form.get("code", ""), None)
        login = base64.b64encode(f"{CLIENT}:a%20secret%3A%20with%2Fsigns".encode()).decode()
        if self.headers.get("Authorization") != f"Basic {login}":
            self._answer(401, {"error": "invalid_client"})
        elif (
            begun is None
            or form["redirect_uri"] != begun["redirect_uri"]
            or form["client_id"] != begun["client_id"]
            or challenge(form["code_verifier"]) != begun["code_challenge"]
        ):
            self._answer(400, {"error": "invalid_grant"})
        else:
            nonce = "another" if "nonce" in self.provider.wrong else begun["nonce"]
            changed = {"azp": "another"} if "azp" in self.provider.wrong else {}
            token = self.provider.token(nonce=nonce, **changed)
            self._answer(200, {"id_token": token, "access_token": "x", "token_type": "Bearer"})

    def _authorise(self, asked: dict[str, str]) -> None:
        assert asked["code_challenge_method"] == "S256"
        assert asked["response_type"] == "code"
        code = secrets.token_hex(8)
        self.provider.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.provider.issuer}
        self.send_response(302)
        self.send_header("Location", f"{asked['redirect_uri']}?{urlencode(back)}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _description(self) -> dict[str, Any]:
        issuer = self.provider.issuer
        return {
            "issuer": "https://another.example" if "issuer" in self.provider.wrong else issuer,
            "authorization_endpoint": f"{issuer}/authorize",
            "token_endpoint": f"{issuer}/token",
            "jwks_uri": "http://169.254.169.254/jwks"
            if "inward" in self.provider.wrong
            else f"{issuer}/jwks",
            "end_session_endpoint": f"{issuer}/logout",
            "padding": "x" * (2**20 if "large" in self.provider.wrong else 0),
        }

    def _answer(self, status: int, document: dict[str, Any]) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _part(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
