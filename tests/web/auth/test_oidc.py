"""People who sign in with an identity provider: by its access tokens, and in a browser."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi import FastAPI
from joserfc.jwk import ECKey
from pydantic import SecretStr, ValidationError

from fair_models.errors import FairModelsError, Invalid, Unavailable
from fair_models.settings import Settings
from fair_models.web.app import create_app
from fair_models.web.auth import accounts, audit_log, sessions, tokens
from fair_models.web.auth.oidc.accounts import signed_in, slugs
from fair_models.web.auth.oidc.documents import Documents
from fair_models.web.auth.oidc.provider import SIGN_IN_COOKIE
from fair_models.web.database.database import Database
from fair_models.web.registry import Registry
from tests.web.auth import identity_provider
from tests.web.auth.identity_provider import CLIENT, SECRET, IdentityProvider, new_key
from tests.web.auth.people import bearer
from tests.web.serving import serving


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[IdentityProvider]:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", "127.0.0.1")
    with identity_provider.running() as running:
        yield running


def settings_for(settings: Settings, provider: IdentityProvider, **changed: Any) -> Settings:
    return settings.model_copy(
        update={
            "web_auth": "oidc",
            "web_oidc_issuer": provider.issuer,
            "web_oidc_client_id": CLIENT,
            "web_oidc_client_secret": SecretStr(SECRET),
            **changed,
        }
    )


@pytest.fixture
def made(settings: Settings, provider: IdentityProvider) -> Iterator[Callable[..., FastAPI]]:
    apps: list[FastAPI] = []

    def make(**changed: Any) -> FastAPI:
        apps.append(create_app(Registry.open(settings_for(settings, provider, **changed))))
        return apps[-1]

    yield make
    for app in apps:
        app.state.database.close()


@pytest.fixture
def site(made: Callable[..., FastAPI]) -> Iterator[str]:
    with serving(made(web_failed_rate="1000/minute")) as address:
        yield address


def account(address: str, token: str) -> httpx.Response:
    return httpx.get(f"{address}/api/account", headers=bearer(token), timeout=30)


# Access tokens


def test_an_access_token_opens_an_account_that_is_made_the_first_time(
    site: str, provider: IdentityProvider
) -> None:
    for _ in range(2):
        told = account(site, provider.token()).json()
        assert (told["account"], told["role"], told["signed_in_by"]) == ("amina-k", "reader", "oidc")
    assert provider.asked.count("/realm/jwks") == 1


FORGED: dict[str, Callable[[IdentityProvider], str]] = {
    "without a signature": lambda provider: provider.unsigned(),
    "signed with the public key as a secret": lambda provider: provider.by_shared_secret(
        provider.keys[-1].as_pem(private=False)
    ),
    "signed by somebody else": lambda provider: provider.token(
        key=new_key(), header={"kid": provider.keys[-1].kid}
    ),
    "signed by somebody else who brings the key": lambda provider: _with_its_key(provider),
    "signed by an unknown key": lambda provider: provider.token(key=new_key()),
    "with an algorithm in other letters": lambda provider: provider.with_header(alg="rs256"),
    "with no algorithm": lambda provider: provider.with_header(alg=None),
    "with a list of algorithms": lambda provider: provider.with_header(alg=["RS256"]),
    "changed afterwards": lambda provider: _changed(provider.token()),
    "for somebody else": lambda provider: provider.token(aud="another"),
    "for nobody": lambda provider: provider.token(aud=None),
    "of another issuer": lambda provider: provider.token(iss="https://another.example"),
    "of an issuer that begins like ours": lambda provider: provider.token(iss=f"{provider.issuer}/x"),
    "over": lambda provider: provider.token(exp=int(time.time()) - 61),
    "without an end": lambda provider: provider.token(exp=None),
    "with an end that is none": lambda provider: provider.token(exp="tomorrow"),
    "with an end beyond all times": lambda provider: provider.token(exp=1e300),
    "not valid yet": lambda provider: provider.token(nbf=int(time.time()) + 120),
    "from the future": lambda provider: provider.token(iat=int(time.time()) + 120),
    "about nobody": lambda provider: provider.token(sub=None),
    "about an empty name": lambda provider: provider.token(sub=""),
    "about a list": lambda provider: provider.token(sub=["person-1"]),
    "with a demand that nobody knows": lambda provider: provider.with_header(crit=["x"], x=1),
    "with a key id that is no text": lambda provider: provider.with_header(kid={"$ne": 1}),
    "with too few parts": lambda provider: provider.token().rpartition(".")[0],
    "encrypted": lambda provider: provider.token() + ".x.y",
}


def _changed(token: str) -> str:
    head, body, signature = token.split(".")
    return f"{head}.{body[:-4]}AAAA.{signature}"


def _with_its_key(provider: IdentityProvider) -> str:
    key = new_key()
    return provider.token(key=key, header={"kid": "x", "jwk": key.as_dict(private=False)})


@pytest.mark.parametrize("how", FORGED)
def test_a_token_that_is_not_genuine_or_not_for_us_is_refused(
    site: str, provider: IdentityProvider, how: str
) -> None:
    assert account(site, provider.token()).status_code == 200
    assert account(site, provider.with_header()).status_code == 200
    answer = account(site, FORGED[how](provider))
    assert answer.status_code == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_clocks_may_differ_a_little(site: str, provider: IdentityProvider) -> None:
    now = int(time.time())
    assert account(site, provider.token(exp=now - 30)).status_code == 200
    assert account(site, provider.token(nbf=now + 30, iat=now + 30)).status_code == 200


def test_one_audience_of_several_is_ours(site: str, provider: IdentityProvider) -> None:
    assert account(site, provider.token(aud=["another", CLIENT])).status_code == 200


def test_tokens_of_an_api_have_its_audience(made: Callable[..., FastAPI], provider: IdentityProvider) -> None:
    with serving(made(web_oidc_audience="https://models.example.org")) as address:
        assert account(address, provider.token(aud="https://models.example.org")).status_code == 200
        assert account(address, provider.token()).status_code == 401


def test_keys_of_another_kind_sign_too_and_secrets_among_the_keys_never_do(
    site: str, provider: IdentityProvider
) -> None:
    provider.keys.append(ECKey.generate_key("P-256", {"use": "sig", "kid": "curve"}))
    provider.extra_keys = [
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"},
        {"kty": "unknown"},
        "no key",  # type: ignore[list-item]
    ]
    assert account(site, provider.token()).status_code == 200
    forged = provider.by_shared_secret(b"secret-secret-secret-secret-secret")
    assert account(site, forged).status_code == 401


def test_the_role_comes_from_a_claim_each_time(
    made: Callable[..., FastAPI], provider: IdentityProvider
) -> None:
    roles = {"fair-admins": "admin", "mappers": "contributor"}
    with serving(made(web_oidc_role_claim="realm.roles", web_oidc_roles=roles)) as address:

        def role(**claims: Any) -> str:
            return str(account(address, provider.token(**claims)).json()["role"])

        assert role(realm={"roles": ["mappers", "x", 7]}) == "contributor"
        assert role(realm={"roles": ["mappers", "fair-admins"]}) == "admin"
        assert role() == "admin"  # an access token that says nothing of roles
        assert role(realm={"roles": ["x"]}) == "reader"
        assert role(realm={"roles": "admin"}) == "reader"  # no name of ours where values are named


def test_a_new_key_is_fetched_and_an_unknown_one_asked_for_now_and_then(provider: IdentityProvider) -> None:
    clock = [0.0]
    documents = Documents(provider.issuer, now=lambda: clock[0])
    (old,) = documents.keys(provider.keys[0].kid)
    provider.rotate()
    assert documents.keys(provider.keys[0].kid) == []
    clock[0] += 31
    (new,) = documents.keys(provider.keys[0].kid)
    assert new.kid != old.kid
    assert documents.keys(old.kid) == []
    before = provider.asked.count("/realm/jwks")
    for _ in range(50):
        assert documents.keys("never-there") == []
    assert provider.asked.count("/realm/jwks") == before


def test_keys_serve_for_a_while_when_the_provider_is_away(provider: IdentityProvider) -> None:
    clock = [0.0]
    documents = Documents(provider.issuer, now=lambda: clock[0])
    documents.keys(None)
    provider.wrong.add("away")
    clock[0] += 3600
    assert documents.keys(None)
    clock[0] += 3600
    with pytest.raises(Unavailable):
        documents.keys(None)
    provider.wrong.clear()
    clock[0] += 5
    assert documents.keys(None)


def test_without_the_provider_tokens_of_ours_work_and_its_own_wait(
    made: Callable[..., FastAPI], provider: IdentityProvider
) -> None:
    app = made()
    database: Database = app.state.database.open()
    accounts.create(database, "root", "admin")
    own = tokens.create(database, "root", title="x", scopes=["read"]).secret
    provider.wrong.add("away")
    with serving(app) as address:
        assert account(address, own).status_code == 200
        answer = account(address, provider.token())
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert "retry-after" in answer.headers


@pytest.mark.parametrize("wrong", ["issuer", "inward", "large"])
def test_a_provider_that_answers_something_else_is_not_believed(
    provider: IdentityProvider, wrong: str
) -> None:
    provider.wrong.add(wrong)
    with pytest.raises(FairModelsError):
        Documents(provider.issuer).keys(None)


def test_the_rules_for_addresses_hold_for_the_provider(
    provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", "")
    with pytest.raises(Invalid):
        Documents(provider.issuer).keys(None)
    assert provider.asked == []


def test_oidc_without_an_issuer_or_a_client_is_refused() -> None:
    with pytest.raises(ValidationError, match="FAIR_WEB_OIDC_ISSUER"):
        Settings(web_auth="oidc")
    with pytest.raises(ValidationError, match="FAIR_WEB_OIDC_CLIENT_ID"):
        Settings(web_auth="oidc", web_oidc_issuer="https://login.example.org")


# Accounts


def test_names_of_accounts_are_found_for_everybody() -> None:
    def first(username: str) -> str:
        return next(slugs(username, "https://login.example.org", "person-1"))

    assert first("amina") == "amina"
    assert first("Amina Khatun") == "amina-khatun"
    assert first("amina@example.org") == "amina"
    assert first("Ярослав") == "iaroslav"
    assert first("12-monkeys") == "user-12-monkeys"
    assert first("nobody") == "nobody-2"
    assert len(first("x" * 500)) <= 63
    for strange in ("", "@", "-", "a", "☃☃☃", "amina-v2", "../../etc"):
        assert accounts.check_slug(first(strange))


def test_two_people_of_one_name_and_one_person_twice_at_once(database: Database) -> None:
    accounts.create(database, "amina", "admin")

    def sign_in(subject: str) -> str:
        found, _ = signed_in(database, "https://login.example.org", subject, "amina", None)
        return found.slug

    with ThreadPoolExecutor(6) as pool:
        names = list(pool.map(sign_in, ["one", "two", "one", "two", "one", "two"]))
    assert set(names) == {"amina-2", "amina-3"}
    assert len({names[0], names[2], names[4]}) == len({names[1], names[3], names[5]}) == 1
    assert accounts.get(database, "amina-2").role == "reader"


# Browsers


def cookies(answer: httpx.Response) -> dict[str, str]:
    return {line.partition("=")[0]: line for line in answer.headers.get_list("set-cookie")}


@contextmanager
def signed(site: str) -> Iterator[httpx.Client]:
    """A browser that has signed in."""
    with httpx.Client(base_url=site, timeout=30) as browser:
        answer = browser.get("/auth/login?back_to=/api/account", follow_redirects=True)
        assert answer.status_code == 200, answer.text
        yield browser


def test_a_browser_signs_in_and_out(site: str, provider: IdentityProvider) -> None:
    with signed(site) as browser:
        told = browser.get("/api/account").json()
        assert (told["account"], told["signed_in_by"], told["scopes"]) == ("amina-k", "session", ["read"])
        assert browser.post("/auth/logout").status_code == 403
        old = dict(browser.cookies)
        ended = browser.post("/auth/logout", headers={sessions.CSRF_HEADER: told["csrf"]})
        assert ended.status_code == 200
        assert ended.json()["provider"].startswith(f"{provider.issuer}/logout?")
        assert browser.get("/api/account").status_code == 401
        again = httpx.get(f"{site}/api/account", cookies=old)
        assert again.status_code == 401


def test_signing_in_and_out_is_noted(made: Callable[..., FastAPI], provider: IdentityProvider) -> None:
    app = made()
    with serving(app) as address, signed(address) as browser:
        csrf = browser.get("/api/account").json()["csrf"]
        browser.post("/auth/logout", headers={sessions.CSRF_HEADER: csrf})
        httpx.get(f"{address}/auth/callback?code=x&state=y")
    noted = [
        (entry.who, entry.how, entry.what, entry.result)
        for entry in audit_log.read(app.state.database.open())
    ]
    assert noted == [
        ("", "", "GET /auth/callback", "401"),
        ("amina-k", "session", "POST /auth/logout", "200"),
        ("amina-k", "session", "GET /auth/callback", "302"),
    ]


def test_cookies_are_for_the_server_alone(made: Callable[..., FastAPI], provider: IdentityProvider) -> None:
    app = made(public_url="https://models.example.org")
    host = {"Host": "models.example.org"}
    with serving(app) as address:
        begun = httpx.get(f"{address}/auth/login", headers=host)
        there = httpx.get(begun.headers["location"])
        back = there.headers["location"].replace("https://models.example.org", address)
        state = begun.cookies[SIGN_IN_COOKIE]
        done = httpx.get(back, headers={**host, "Cookie": f"{SIGN_IN_COOKIE}={state}"})
    assert done.status_code == 302
    for answer, name in ((begun, SIGN_IN_COOKIE), (done, sessions.COOKIE)):
        line = cookies(answer)[name].lower()
        assert "httponly" in line
        assert "samesite=lax" in line
        assert "secure" in line
        assert "domain" not in line
        assert answer.headers["cache-control"] == "no-store"
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    assert asked["redirect_uri"] == ["https://models.example.org/auth/callback"]
    assert asked["code_challenge_method"] == ["S256"]
    assert state not in app.state.database.open().address


def test_a_write_of_a_session_needs_its_csrf_token(site: str, provider: IdentityProvider) -> None:
    body = {"title": "page", "scopes": ["read"]}
    with signed(site) as browser, signed(site) as other:
        csrf = browser.get("/api/account").json()["csrf"]
        foreign = other.get("/api/account").json()["csrf"]
        for wrong in ({}, {sessions.CSRF_HEADER: ""}, {sessions.CSRF_HEADER: foreign}):
            assert browser.post("/api/tokens", json=body, headers=wrong).status_code == 403
        made = browser.post("/api/tokens", json=body, headers={sessions.CSRF_HEADER: csrf})
        assert made.status_code == 201
        evil = {sessions.CSRF_HEADER: csrf, "Origin": "https://evil.example"}
        assert browser.post("/api/tokens", json=body, headers=evil).status_code == 403


def test_a_sign_in_works_once_and_in_the_browser_that_began_it(site: str, provider: IdentityProvider) -> None:
    begun = httpx.get(f"{site}/auth/login")
    back = httpx.get(begun.headers["location"]).headers["location"]
    state = begun.cookies[SIGN_IN_COOKIE]
    assert httpx.get(back).status_code == 401
    assert httpx.get(back, cookies={SIGN_IN_COOKIE: "x"}).status_code == 401
    done = httpx.get(back, cookies={SIGN_IN_COOKIE: state})
    assert done.status_code == 302
    again = httpx.get(back, cookies={SIGN_IN_COOKIE: state})
    assert again.status_code == 401
    assert "set-cookie" not in again.headers


@pytest.mark.parametrize("wrong", ["nonce", "azp", "code", "iss", "error"])
def test_what_the_provider_does_not_confirm_signs_nobody_in(
    site: str, provider: IdentityProvider, wrong: str
) -> None:
    provider.wrong.add(wrong)
    begun = httpx.get(f"{site}/auth/login")
    back = httpx.get(begun.headers["location"]).headers["location"]
    changed = {
        "code": back.replace("code=", "code=0"),
        "iss": back.replace("realm", "another"),
        "error": f"{back.partition('?')[0]}?error=access_denied&state={begun.cookies[SIGN_IN_COOKIE]}",
    }
    answer = httpx.get(changed.get(wrong, back), cookies={SIGN_IN_COOKIE: begun.cookies[SIGN_IN_COOKIE]})
    assert answer.status_code == 401
    assert sessions.COOKIE not in cookies(answer)


@pytest.mark.parametrize(
    "back_to",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/a\\..\\b",
        "models",
        "",
        "/a\r\nX: y",
        "/" * 2001,
    ],
)
def test_nobody_is_led_to_another_website_after_signing_in(
    site: str, provider: IdentityProvider, back_to: str
) -> None:
    answer = httpx.get(f"{site}/auth/login", params={"back_to": back_to})
    assert answer.status_code == 422


def test_a_browser_comes_back_to_the_page_it_came_from(site: str, provider: IdentityProvider) -> None:
    begun = httpx.get(f"{site}/auth/login", params={"back_to": "/models?text=a&b=c#d"})
    back = httpx.get(begun.headers["location"]).headers["location"]
    done = httpx.get(back, cookies={SIGN_IN_COOKIE: begun.cookies[SIGN_IN_COOKIE]})
    assert done.headers["location"] == "/models?text=a&b=c#d"


def test_a_disabled_account_signs_in_nowhere_and_its_sessions_end(
    made: Callable[..., FastAPI], provider: IdentityProvider
) -> None:
    app = made()
    with serving(app) as address, signed(address) as browser:
        accounts.disable(app.state.database.open(), "amina-k")
        assert browser.get("/api/account").status_code == 401
        assert account(address, provider.token()).status_code == 401
        answer = browser.get("/auth/login", follow_redirects=True)
        assert answer.status_code == 401
        assert "disabled" in answer.json()["detail"]


def test_a_session_ends_by_itself(
    made: Callable[..., FastAPI], provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = made()
    with serving(app) as address, signed(address) as browser:
        assert browser.get("/api/account").status_code == 200
        monkeypatch.setattr(sessions, "IDLE", -sessions.IDLE)
        assert browser.get("/api/account").status_code == 401


def test_failed_sign_ins_are_limited(made: Callable[..., FastAPI], provider: IdentityProvider) -> None:
    with serving(made(web_failed_rate="3/hour")) as address:
        statuses = [httpx.get(f"{address}/auth/callback?code=x&state=y").status_code for _ in range(5)]
    assert statuses == [401] * 3 + [429] * 2


def test_two_session_cookies_are_refused(site: str, provider: IdentityProvider) -> None:
    with signed(site) as browser:
        cookie = browser.cookies[sessions.COOKIE]
        twice = {"Cookie": f"{sessions.COOKIE}=x; {sessions.COOKIE}={cookie}"}
        assert httpx.get(f"{site}/api/account", headers=twice).status_code == 400


def test_without_a_provider_nobody_signs_in_with_a_browser(http: httpx.Client) -> None:
    for path in ("/auth/login", "/auth/callback"):
        answer = http.get(path)
        assert answer.status_code == 404
        assert "FAIR_WEB_AUTH" in answer.json()["detail"]
