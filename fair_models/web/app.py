"""The application: one for everything that the registry offers over HTTP."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import FastAPI
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from fair_models.settings import Settings, current
from fair_models.web import docs, health, metrics, openapi, problems
from fair_models.web.api.router import router as api
from fair_models.web.auth.authentication import Authentication, Identity
from fair_models.web.auth.hosts import Hosts, require_loopback
from fair_models.web.auth.oidc.provider import OidcProvider
from fair_models.web.auth.rates import Rates
from fair_models.web.auth.routes import account, names, sign_in, users
from fair_models.web.database.late import LateDatabase
from fair_models.web.middleware import Limits, Observation, SecurityHeaders
from fair_models.web.registry import Registry
from fair_models.web.requests import REQUEST_ID_HEADER
from fair_models.web.stac import api as stac

_DESCRIPTION = (
    "Models that map the world from imagery: find them, read their files, start and follow work. "
    "`/stac` is a STAC API for any STAC client; `/api` is for everything else. "
    "Errors are [problem+json](https://www.rfc-editor.org/rfc/rfc9457) with a stable `type`."
)
_NOT_COMPRESSED = (*DEFAULT_EXCLUDED_CONTENT_TYPES, "application/octet-stream")
_COMPRESSED_FROM_BYTES = 1000
_EXPOSED = ("ETag", "Link", "Location", "RateLimit", "RateLimit-Policy", "Retry-After", REQUEST_ID_HEADER)
"""Headers that scripts of other websites may read."""


def create_app(registry: Registry | None = None) -> FastAPI:
    """The service over a registry.

    Args:
        registry: What it serves. Default: the registry of the settings (FAIR_CATALOG, FAIR_STORE, FAIR_HOME).

    Raises:
        Invalid: The settings are wrong, or others could reach a service without authentication.
    """
    served = registry or Registry.open(current())
    settings = served.settings
    require_loopback(settings)
    database = LateDatabase(settings)
    provider = OidcProvider(settings, database) if settings.web_auth == "oidc" else None
    identity = Identity(settings, database, Rates(settings), provider)
    numbers = metrics.Metrics()
    app = FastAPI(
        title="fair-models",
        version=version("fair-models"),
        description=_DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=_middleware(settings, numbers, identity),
    )
    app.state.registry, app.state.metrics, app.state.database = served, numbers, database
    app.state.provider = provider
    app.state.checks = health.Checks(served)
    app.include_router(health.router)
    app.include_router(metrics.router)
    for routes in (account, names, users, sign_in):
        app.include_router(routes.router)
    app.include_router(api)
    stac.add_to(app)
    docs.add_to(app)
    problems.install(app)
    openapi.install(app)
    return app


def _middleware(settings: Settings, numbers: metrics.Metrics, identity: Identity) -> list[Middleware]:
    """From the outermost to the innermost."""
    over_https = (settings.public_url or "").startswith("https://")
    found = [
        Middleware(Observation, metrics=numbers),
        Middleware(SecurityHeaders, over_https=over_https),
        Middleware(Limits, max_body_bytes=settings.web_max_body_bytes, timeout_s=settings.web_timeout_s),
        Middleware(Hosts, settings=settings),
    ]
    if settings.web_cors_origins:
        found.append(
            Middleware(
                CORSMiddleware,
                allow_origins=[*settings.web_cors_origins],
                allow_methods=["GET", "HEAD", "POST", "OPTIONS"],
                allow_headers=["Authorization", "Content-Type", "If-None-Match", REQUEST_ID_HEADER],
                expose_headers=[*_EXPOSED],
            )
        )
    return [
        *found,
        Middleware(Authentication, identity=identity),
        Middleware(
            GZipMiddleware,
            minimum_size=_COMPRESSED_FROM_BYTES,
            compresslevel=5,
            exclude_content_types=_NOT_COMPRESSED,
        ),
    ]
