"""Settings of the web service that say who may do what. Part of `fair_models.settings.Settings`."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings

from fair_models.setting_lists import Listed

AuthMode = Literal["off", "tokens", "oidc"]
"""How the web service knows who asks."""

_HOST = re.compile(r"^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)$")
_RATE = r"^[1-9][0-9]{0,6}/(?:second|minute|hour|day)$"


class AccountSettings(BaseSettings):
    """Who may use the web service, and for what."""

    web_auth: AuthMode = Field(
        "off",
        description="How the web service knows who asks. off (default): it does not, and listens on this "
        "machine only. tokens: by tokens that `fair-models token create` makes. oidc: by an identity "
        "provider too, in the browser and by its access tokens.",
    )
    web_database_url: SecretStr = Field(
        SecretStr(""),
        description="Database of the web service (accounts, tokens, audit log): "
        "postgresql://user:password@host/database, or sqlite:////folder/web.db. Several machines need "
        "PostgreSQL. Default: SQLite, `web/web.db` under home.",
    )
    web_hosts: Annotated[tuple[str, ...], *Listed] = Field(
        (),
        description="Names by which the web service is reached besides those of this machine and of "
        "FAIR_PUBLIC_URL, without port, separated by commas. Requests to other names are refused. "
        "Default: none.",
    )
    web_anonymous_read: bool = Field(
        True,
        description="Whether everybody may find and download what is public. false: only people with an "
        "account. Default: true.",
    )
    web_rate: str = Field(
        "1200/minute",
        pattern=_RATE,
        description="Requests of one token, session or address, as COUNT/UNIT with second, minute, hour or "
        "day. Default: 1200/minute.",
    )
    web_failed_rate: str = Field(
        "30/minute",
        pattern=_RATE,
        description="Wrong tokens and failed sign-ins of one address, after which it has to wait. "
        "Default: 30/minute.",
    )
    web_rate_storage: SecretStr = Field(
        SecretStr("memory://"),
        description="Where requests are counted: memory:// (default) counts in each process alone, so that "
        "N processes let N times as many through; redis://host:6379 is shared by all.",
    )
    web_audit_days: int = Field(
        365,
        ge=1,
        le=36_500,
        description="Days for which the web service's audit log is kept, 1 to 36500. Default: 365.",
    )
    web_oidc_issuer: str | None = Field(
        None,
        pattern=r"^https?://[^\s?#@]+$",
        description="Address of the identity provider (OpenID Connect), as its tokens write it, e.g. "
        "https://login.example.org/realms/fair. It must be https and public, or named in "
        "FAIR_ALLOWED_HOSTS. Default: none.",
    )
    web_oidc_client_id: str | None = Field(
        None, min_length=1, max_length=200, description="Id of this service at the provider. Default: none."
    )
    web_oidc_client_secret: SecretStr | None = Field(
        None, description="Secret of this service at the provider. Default: none, a public client with PKCE."
    )
    web_oidc_audience: str | None = Field(
        None,
        min_length=1,
        max_length=500,
        description="Audience that access tokens must be made for. Default: the id of this service.",
    )
    web_oidc_scopes: str = Field(
        "openid profile",
        pattern=r"^openid(?: [!-~]+)*$",
        description="Scopes that the sign-in asks for, separated by spaces. Default: openid profile.",
    )
    web_oidc_role_claim: str | None = Field(
        None,
        pattern=r"^[^\s.]+(?:\.[^\s.]+)*$",
        max_length=200,
        description="Claim of the provider's tokens that says the role, with dots for claims within claims, "
        "e.g. realm_access.roles. It is read at each sign-in, and the highest role counts. Default: none; "
        "new accounts are readers and `fair-models user role` changes that.",
    )
    web_oidc_roles: dict[str, Literal["reader", "contributor", "publisher", "admin"]] = Field(
        {},
        description='Role for each value of that claim, as a JSON object: {"fair-admins": "admin"}. '
        "Default: the claim's values are the roles' names.",
    )

    @field_validator("web_hosts")
    @classmethod
    def _names_alone(cls, values: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(value.lower().rstrip(".") for value in values)
        if wrong := [value for value in lowered if not _HOST.match(value)]:
            raise ValueError(f"{', '.join(wrong)}: write names without port or path, e.g. fair.example.org")
        return lowered

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.web_auth == "oidc" and not (self.web_oidc_issuer and self.web_oidc_client_id):
            raise ValueError(
                "FAIR_WEB_AUTH=oidc needs FAIR_WEB_OIDC_ISSUER and FAIR_WEB_OIDC_CLIENT_ID. Set both"
            )
        return self
