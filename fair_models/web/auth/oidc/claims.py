"""The provider's tokens: whether they are genuine and meant for us, and what they say of somebody."""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import extract_compact

from fair_models.web.auth.oidc.documents import Documents, SigningKey
from fair_models.web.auth.roles import ROLES
from fair_models.web.auth.tokens import Rejected
from fair_models.web.callers import Role

ALGORITHMS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "RSA"),
    **dict.fromkeys(("ES256", "ES384", "ES512"), "EC"),
    "EdDSA": "OKP",
}
"""Signatures that are taken, and the kind of key of each. Never `none`, and none with a shared secret."""

LEEWAY_S = 60
"""How much the clocks of provider and service may differ."""
MAX_SUBJECT = 255
_MAX_TRIED = 10


@dataclass(frozen=True)
class Identity:
    """Whom a token is about.

    subject: Who it is at the provider.
    username: What they are called there; may be empty.
    roles: What the claim of roles says; None where it says nothing.
    expires: When the token ends.
    """

    subject: str
    username: str
    roles: tuple[str, ...] | None
    expires: datetime


def check(
    documents: Documents,
    token: str,
    audience: str,
    *,
    nonce: str | None = None,
    role_claim: str | None = None,
) -> Identity:
    """Whom a token is about, if the provider signed it, for us, and for now.

    Args:
        documents: The provider's.
        token: A signed token (JWT).
        audience: Whom it must be made for.
        nonce: What the sign-in began with, which an identity token repeats. None for access tokens.
        role_claim: Which claim says the role.

    Raises:
        Rejected: It is not.
        Unavailable: The provider does not answer.
        Invalid: Its answer cannot be used.
    """
    header = _header(token)
    algorithm, key_id = header.get("alg"), header.get("kid")
    kind = ALGORITHMS.get(algorithm) if isinstance(algorithm, str) else None
    if kind is None:
        raise Rejected(f"its signature is of a kind that is not taken ({str(algorithm)[:20]})")
    if key_id is not None and not isinstance(key_id, str):
        raise Rejected("the id of its key is no text")
    keys = [key for key in documents.keys(key_id) if _fits(key, kind, str(algorithm))]
    claims = _verified(token, keys[:_MAX_TRIED], str(algorithm))
    _require_ours(claims, documents.issuer, audience)
    expires = _require_now(claims)
    if nonce is not None:
        _require_sign_in(claims, audience, nonce)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MAX_SUBJECT:
        raise Rejected("it does not say whom it is about")
    return Identity(subject, _text(claims, "preferred_username"), _roles(claims, role_claim), expires)


def role_in(roles: tuple[str, ...], named: Mapping[str, Role]) -> Role:
    """The highest role that a claim says; reader where it says none that is known.

    Args:
        roles: Values of the claim.
        named: The role of each value. Empty: the values are the roles' names.
    """
    found = (
        [named[each] for each in roles if each in named]
        if named
        else [role for role in ROLES if role in roles]
    )
    return max(found, key=ROLES.index, default="reader")


def _header(token: str) -> dict[str, Any]:
    try:
        header = extract_compact(token.encode("ascii")).headers()
    except (JoseError, ValueError, TypeError, KeyError, binascii.Error) as error:
        raise Rejected("it is not written like a token") from error
    if "crit" in header:
        raise Rejected("it asks for what nobody here understands (crit)")
    return dict(header)


def _fits(key: SigningKey, kind: str, algorithm: str) -> bool:
    """Whether a key is for such signatures: one of RSA never checks an HMAC, nor the other way round."""
    return key.key_type == kind and key.get("alg") in {None, algorithm}


def _verified(token: str, keys: list[SigningKey], algorithm: str) -> dict[str, Any]:
    for key in keys:
        try:
            return dict(jwt.decode(token, key, algorithms=[algorithm]).claims)
        except (JoseError, ValueError, TypeError, orjson.JSONDecodeError):
            continue
    raise Rejected("no key of the provider made its signature")


def _require_ours(claims: Mapping[str, Any], issuer: str, audience: str) -> None:
    if claims.get("iss") != issuer:
        raise Rejected("another provider made it")
    said = claims.get("aud")
    if audience not in (said if isinstance(said, list) else [said]):
        raise Rejected("it is made for somebody else (aud)")


def _require_now(claims: Mapping[str, Any]) -> datetime:
    now = datetime.now(UTC).timestamp()
    expires = _seconds(claims, "exp")
    if expires is None:
        raise Rejected("it does not say when it ends (exp)")
    if expires + LEEWAY_S <= now:
        raise Rejected("it is over (exp)")
    for name in ("nbf", "iat"):
        begins = _seconds(claims, name)
        if begins is not None and begins - LEEWAY_S > now:
            raise Rejected(f"it is not valid yet ({name})")
    try:
        return datetime.fromtimestamp(expires, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise Rejected("it ends at no time (exp)") from error


def _require_sign_in(claims: Mapping[str, Any], client: str, nonce: str) -> None:
    if claims.get("nonce") != nonce:
        raise Rejected("it belongs to another sign-in (nonce)")
    if claims.get("azp", client) != client:
        raise Rejected("it is made for another program (azp)")


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        raise Rejected(f"its {name} is no time")
    return float(value)


def _text(claims: Mapping[str, Any], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _roles(claims: Mapping[str, Any], claim: str | None) -> tuple[str, ...] | None:
    found: Any = claims
    for part in claim.split(".") if claim else ["\0"]:
        found = found.get(part) if isinstance(found, Mapping) else None
    if isinstance(found, str):
        return (found,)
    if isinstance(found, list):
        return tuple(each for each in found if isinstance(each, str))
    return None
