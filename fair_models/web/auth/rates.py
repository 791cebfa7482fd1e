"""How many requests one token, session or address may send, told in headers.

The headers are those of the IETF's draft "RateLimit header fields for HTTP".
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
import time
from dataclasses import dataclass

from limits import RateLimitItem, parse
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from fair_models.errors import Invalid, Unavailable
from fair_models.settings import Settings

_PREFIX_V6 = 64
"""Who has one address of version 6 has all of this network."""


@dataclass(frozen=True)
class Allowance:
    """What is left of a limit after a request.

    policy: Name of the limit.
    quota: Requests in a window of `window_s` seconds.
    left: Requests that are left now.
    resets_in_s: Seconds until there are more.
    is_used_up: Whether this request is one too many.
    """

    policy: str
    quota: int
    window_s: int
    left: int
    resets_in_s: int
    is_used_up: bool

    def headers(self) -> dict[str, str]:
        """What an answer says of it."""
        told = {
            "RateLimit-Policy": f'"{self.policy}";q={self.quota};w={self.window_s}',
            "RateLimit": f'"{self.policy}";r={self.left};t={self.resets_in_s}',
        }
        return {**told, "Retry-After": str(max(1, self.resets_in_s))} if self.is_used_up else told


class Rates:
    """Counts requests, and wrong tokens by themselves.

    Args:
        settings: The limits, and where is counted.

    Raises:
        Invalid: FAIR_WEB_RATE_STORAGE names nothing that can count.
    """

    def __init__(self, settings: Settings) -> None:
        try:
            storage = storage_from_string(settings.web_rate_storage.get_secret_value(), wrap_exceptions=True)
            self._limiter = SlidingWindowCounterRateLimiter(storage)
        except (ConfigurationError, NotImplementedError, ValueError) as error:
            raise Invalid(
                "FAIR_WEB_RATE_STORAGE names nothing that can count requests: write memory:// or "
                "redis://host:6379, and install redis for the second"
            ) from error
        self._is_here = isinstance(storage, MemoryStorage)
        self._requests = parse(settings.web_rate)
        self._failures = parse(settings.web_failed_rate)

    async def request(self, who: str) -> Allowance:
        """Count a request of a token, session or address.

        Raises:
            Unavailable: Where is counted does not answer.
        """
        return await self._count("requests", self._requests, who, cost=1)

    async def failure(self, address: str) -> Allowance:
        """Count a wrong token or a failed sign-in of an address. Raises Unavailable."""
        return await self._count("failures", self._failures, by_network(address), cost=1)

    async def failures(self, address: str) -> Allowance:
        """What is left to an address, without counting. Raises Unavailable."""
        return await self._count("failures", self._failures, by_network(address), cost=0)

    async def _count(self, policy: str, item: RateLimitItem, who: str, cost: int) -> Allowance:
        if self._is_here:
            return self._counted(policy, item, who, cost)
        try:
            return await asyncio.to_thread(self._counted, policy, item, who, cost)
        except StorageError as error:
            raise Unavailable(
                "Requests cannot be counted: what FAIR_WEB_RATE_STORAGE names does not answer. "
                "Check that it runs"
            ) from error

    def _counted(self, policy: str, item: RateLimitItem, who: str, cost: int) -> Allowance:
        fits = self._limiter.hit(item, policy, who) if cost else self._limiter.test(item, policy, who)
        stats = self._limiter.get_window_stats(item, policy, who)
        resets = max(0, math.ceil(stats.reset_time - time.time()))
        left = max(0, int(stats.remaining))
        return Allowance(policy, item.amount, item.get_expiry(), left, resets, not fits)


def by_network(address: str) -> str:
    """An address, or its network where somebody commonly has all addresses of one."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, _PREFIX_V6), strict=False))
    return str(parsed)
