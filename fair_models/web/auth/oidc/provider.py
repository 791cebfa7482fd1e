"""The identity provider as the service uses it: who an access token is of, and how a browser signs in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import delete

from fair_models.errors import Invalid
from fair_models.settings import Settings
from fair_models.web.auth import sessions
from fair_models.web.auth.accounts import Account
from fair_models.web.auth.oidc import accounts, claims
from fair_models.web.auth.oidc.documents import Documents, fetch_json
from fair_models.web.auth.roles import SCOPES_OF
from fair_models.web.auth.tokens import Rejected, digest
from fair_models.web.callers import Caller, Kind
from fair_models.web.database import tables
from fair_models.web.database.late import LateDatabase

CALLBACK = "/auth/callback"
SIGN_IN_COOKIE = "fair_sign_in"
SIGN_IN_LIFE = timedelta(minutes=10)
MAX_BACK_TO = 2000


@dataclass(frozen=True)
class BegunSignIn:
    """A sign-in that begins.

    address: Where the browser goes.
    state: What it has to bring back, in the address and in a cookie.
    """

    address: str
    state: str


@dataclass(frozen=True)
class EndedSignIn:
    """A sign-in that succeeded.

    account: Who it is.
    session: The browser's session.
    back_to: Path of the page to show.
    """

    account: Account
    session: sessions.NewSession
    back_to: str


class OidcProvider:
    """One provider. One object serves any number of threads.

    Args:
        settings: Which provider, and who we are there.
        database: Where accounts and sign-ins are.
    """

    def __init__(self, settings: Settings, database: LateDatabase) -> None:
        self._settings = settings
        self._database = database
        self._client = str(settings.web_oidc_client_id)
        self.documents = Documents(str(settings.web_oidc_issuer))

    def caller(self, token: str) -> Caller:
        """Whose access token it is.

        Raises:
            Rejected: It opens nothing here.
            Unavailable: The provider or the database does not answer.
        """
        audience = self._settings.web_oidc_audience or self._client
        said = claims.check(self.documents, token, audience, role_claim=self._settings.web_oidc_role_claim)
        account, names = self._account(said, said.roles)
        if account.disabled is not None:
            raise Rejected(f"account {account.slug} is disabled")
        return Caller(account.slug, account.role, SCOPES_OF[account.role], names, "oidc", said.expires)

    def begin(self, base: str, back_to: str) -> BegunSignIn:
        """Begin a sign-in.

        Args:
            base: Root of the service as the browser reaches it.
            back_to: Path of the page to show afterwards.

        Raises:
            Invalid: It is no path of this service, or the provider's answers cannot be used.
            Unavailable: The provider or the database does not answer.
        """
        path = local_path(back_to)
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        address = self.documents.description().authorises
        now = datetime.now(UTC)
        with self._database.open().writing() as session:
            session.execute(delete(tables.SignIn).where(tables.SignIn.expires < now))
            session.add(
                tables.SignIn(
                    digest=digest(state),
                    nonce=nonce,
                    verifier=verifier,
                    back_to=path,
                    expires=now + SIGN_IN_LIFE,
                )
            )
        asked = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": f"{base}{CALLBACK}",
            "scope": self._settings.web_oidc_scopes,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
        }
        return BegunSignIn(f"{address}{'&' if '?' in address else '?'}{urlencode(asked)}", state)

    def end(self, base: str, state: str, cookie: str | None, code: str, issuer: str | None) -> EndedSignIn:
        """End a sign-in: the browser came back with a code. It works once.

        Args:
            base: Root of the service as the browser reaches it.
            state: What came back in the address.
            cookie: What the browser kept: a link that somebody else made must not sign anybody in.
            code: What the provider gives a token for.
            issuer: Which provider says so, where it does.

        Raises:
            Rejected: It is no sign-in of this browser, it is over, or the provider does not confirm it.
            Unavailable: The provider or the database does not answer.
        """
        if cookie is None or not hmac.compare_digest(cookie.encode(), state.encode()):
            raise Rejected("it was begun in another browser, or too long ago")
        begun = self._take(state)
        if issuer is not None and issuer != self.documents.issuer:
            raise Rejected("another provider answered")
        said = claims.check(
            self.documents,
            self._exchange(base, code, begun.verifier),
            self._client,
            nonce=begun.nonce,
            role_claim=self._settings.web_oidc_role_claim,
        )
        account, _ = self._account(said, said.roles or ())
        if account.disabled is not None:
            raise Rejected(f"account {account.slug} is disabled")
        return EndedSignIn(account, sessions.create(self._database.open(), account), begun.back_to)

    def sign_out_address(self, base: str) -> str | None:
        """Where a browser ends its session at the provider too; None where that has no such page."""
        place = self.documents.description().signs_out
        if place is None:
            return None
        asked = urlencode({"client_id": self._client, "post_logout_redirect_uri": f"{base}/"})
        return f"{place}{'&' if '?' in place else '?'}{asked}"

    def _account(
        self, said: claims.Identity, roles: tuple[str, ...] | None
    ) -> tuple[Account, frozenset[tuple[Kind, str]]]:
        """The account of somebody. Without roles it keeps its own: access tokens need not repeat them."""
        settings = self._settings
        role = None
        if settings.web_oidc_role_claim is not None and roles is not None:
            role = claims.role_in(roles, settings.web_oidc_roles)
        return accounts.signed_in(
            self._database.open(), self.documents.issuer, said.subject, said.username, role
        )

    def _take(self, state: str) -> tables.SignIn:
        """The sign-in of a state, which is used up by that. Raises Rejected."""
        with self._database.open().writing() as session:
            found = session.get(tables.SignIn, digest(state), with_for_update=True)
            if found is not None:
                session.delete(found)
        if found is None or found.expires <= datetime.now(UTC):
            raise Rejected("it is over, or was used already")
        return found

    def _exchange(self, base: str, code: str, verifier: str) -> str:
        """The identity token that the provider gives for a code. Raises Rejected and Unavailable."""
        described = self.documents.description()
        form: dict[str, Any] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": f"{base}{CALLBACK}",
            "client_id": self._client,
            "code_verifier": verifier,
        }
        login = None
        if self._settings.web_oidc_client_secret is not None:
            secret = self._settings.web_oidc_client_secret.get_secret_value()
            if described.takes_basic:
                pair = f"{quote(self._client, safe='')}:{quote(secret, safe='')}"
                login = f"Basic {base64.b64encode(pair.encode()).decode()}"
            else:
                form["client_secret"] = secret
        try:
            said = fetch_json(described.gives_tokens, form, login)
        except Invalid as error:
            raise Rejected(str(error)) from error
        token = said.get("id_token")
        if not isinstance(token, str):
            raise Rejected("the provider gives no identity token: ask for the scope openid")
        return token


def challenge(verifier: str) -> str:
    """PKCE's challenge of a verifier (S256)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def local_path(text: str) -> str:
    """A path of this service to go back to. Raises Invalid for what leads to another one."""
    is_path = text.startswith("/") and not text.startswith(("//", "/\\")) and len(text) <= MAX_BACK_TO
    if not is_path or "\\" in text or not text.isprintable() or not text.isascii():
        raise Invalid("back_to is no path of this service: write one like /models")
    return text
