"""Reads what is published from the STAC API that serves the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin

from fair_models.choices import Choice, Key, Page, first_page, walk
from fair_models.conditions import Facts, facts_of_item
from fair_models.errors import Invalid, Unavailable
from fair_models.settings import current
from fair_models.types import Json

_SIZE = 200
"""Items that the API gives in one answer."""


class Published:
    """Items by conditions, in order, page by page: as `fair-models list`, over HTTP alone.

    Args:
        api_url: Root of the STAC API. Default: FAIR_CATALOG_API_URL.
        timeout_s: How long one request may take, in seconds.

    Raises:
        Invalid: No address is known.
    """

    def __init__(self, api_url: str | None = None, timeout_s: float = 30) -> None:
        address = api_url or current().catalog_api_url
        if not address:
            raise Invalid(
                "No STAC API is known that serves the catalogue: set FAIR_CATALOG_API_URL to its root, or "
                "read the catalogue where it lies with `fair-models list --json`"
            )
        self.api_url = address.rstrip("/")
        import httpx

        self._http = httpx.Client(timeout=timeout_s, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def page(self, choice: Choice) -> Page[Json]:
        """One page of STAC items as JSON. Its cursors are those of `fair-models list` too.

        Raises:
            Invalid: The cursor is none of ours, or belongs to another choice; or the API refuses.
            Unavailable: The API does not answer.
        """
        return first_page(choice, self._entries(choice), is_sorted=False)

    def every(self, choice: Choice) -> Iterator[Json]:
        """Everything that a choice finds from its cursor on, page by page."""
        return walk(choice, self.page)

    def _entries(self, choice: Choice) -> Iterator[tuple[Key, Facts, Json]]:
        places = {name: number for number, name in enumerate(choice.collections)}
        for item in self._search(choice):
            facts = facts_of_item(item)
            key = choice.key(facts)
            yield (places[item["collection"]], *key) if choice.is_by_name else key, facts, item

    def _search(self, choice: Choice) -> Iterator[Json]:
        """The items that the API finds: at least those of the choice, a page of its own at a time."""
        body: Json = {"collections": list(choice.collections), "limit": _SIZE, **_filter(choice)}
        method, address = "POST", f"{self.api_url}/search"
        while True:
            answer = self._send(method, address, body)
            yield from answer["features"]
            onwards = next((link for link in answer.get("links", []) if link["rel"] == "next"), None)
            if onwards is None:
                return
            method, address = onwards.get("method", "GET"), urljoin(address, onwards["href"])
            body = {**(body if onwards.get("merge") else {}), **onwards.get("body", {})}

    def _send(self, method: str, address: str, body: Json) -> Json:
        import httpx

        try:
            answer = self._http.request(method, address, json=body if method == "POST" else None)
        except httpx.TransportError as error:
            raise Unavailable(
                f"No STAC API answers at {self.api_url} ({error or type(error).__name__}). Check the address "
                "(FAIR_CATALOG_API_URL) and try again"
            ) from error
        if answer.is_server_error:
            raise Unavailable(f"The STAC API {self.api_url} answers {answer.status_code}. Try again later")
        if not answer.is_success:
            raise Invalid(
                f"The STAC API {self.api_url} refuses ({answer.status_code}): {answer.text[:300]}. It needs "
                "/search with CQL2 (the filter extension)"
            )
        found: Json = answer.json()
        return found


def _filter(choice: Choice) -> Json:
    """What the API can leave out by itself, as CQL2; the conditions are looked at again here."""
    wanted: list[Json] = []
    if choice.deprecated is not None:
        wanted.append({"op": "=", "args": [{"property": "deprecated"}, choice.deprecated]})
    wanted += [condition.tree for condition in choice.conditions if _is_served(condition.tree)]
    if not wanted:
        return {}
    return {"filter-lang": "cql2-json", "filter": {"op": "and", "args": wanted} if wanted[1:] else wanted[0]}


def _is_served(node: Any) -> bool:
    """Whether the API answers a part of a condition as we do: comparisons of the id and of metrics."""
    operator, arguments = node.get("op"), node.get("args", [])
    if operator in {"and", "or"}:
        return all(map(_is_served, arguments))
    if operator not in {"=", "<", "<=", ">", ">=", "in", "between"}:
        return False
    field, *values = arguments
    name = field.get("property", "") if isinstance(field, dict) else ""
    literals = [each for value in values for each in (value if isinstance(value, list) else [value])]
    return (name == "id" or name.startswith("fair:")) and all(
        isinstance(each, str | float) for each in literals
    )
