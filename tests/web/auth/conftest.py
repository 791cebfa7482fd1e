"""A service where people sign in by tokens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fair_models.settings import Settings
from tests.web.auth.people import Service, service


@pytest.fixture
def people(settings: Settings) -> Iterator[Service]:
    with service(settings) as running:
        yield running
