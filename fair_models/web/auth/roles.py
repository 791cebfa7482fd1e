"""Roles of accounts and scopes of tokens: what each lets somebody do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, get_args

from fair_models.errors import Invalid
from fair_models.web.callers import Role, Scope

ROLES: Final[tuple[Role, ...]] = get_args(Role)
SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)

SCOPES_OF: Final[Mapping[Role, frozenset[Scope]]] = {
    "reader": frozenset({"read"}),
    "contributor": frozenset({"read", "upload", "run"}),
    "publisher": frozenset({"read", "upload", "run", "publish"}),
    "admin": frozenset(SCOPES),
}
"""The most that a token of an account with a role can do."""


def is_at_least(role: Role, needed: Role) -> bool:
    """Whether a role includes another one."""
    return ROLES.index(role) >= ROLES.index(needed)


def role_of(word: str) -> Role:
    """The role that a word names. Raises Invalid."""
    found = next((role for role in ROLES if role == word), None)
    if found is None:
        raise Invalid(f"There is no role {word!r}. The roles are {', '.join(ROLES)}")
    return found


def scopes_of(words: Iterable[str]) -> frozenset[Scope]:
    """The scopes that words name. Raises Invalid for none and for unknown ones."""
    asked = set(words)
    if unknown := sorted(asked - set(SCOPES)):
        raise Invalid(
            f"There is no scope {', '.join(map(repr, unknown))}. The scopes are {', '.join(SCOPES)}"
        )
    if not asked:
        raise Invalid(f"A token without scopes can do nothing. Name some of {', '.join(SCOPES)}")
    return frozenset(scope for scope in SCOPES if scope in asked)


def written(scopes: Iterable[Scope]) -> str:
    """Scopes in one line, always in the same order."""
    held = set(scopes)
    return " ".join(scope for scope in SCOPES if scope in held)
