"""Routes that take the query parameters which they name, each as often as it means something."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from fastapi import Request, Response, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute

from fair_models.web.problems import Problem

_LONGEST_SHOWN = 60


class StrictRoute(APIRoute):
    """A route that refuses unknown query parameters, which would otherwise change nothing unnoticed."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What answers a request."""
        answer = super().get_route_handler()
        known = dict(_parameters(self))

        async def checked(request: Request) -> Response:
            _check(request, known)
            return await answer(request)

        return checked


def _parameters(route: APIRoute) -> Iterator[tuple[str, bool]]:
    """Each query parameter, and whether it may be given several times."""
    for field in get_flat_params(route.dependant):
        if not isinstance(field.field_info, params.Path | params.Header | params.Cookie):
            yield field.alias, _is_list(field.field_info.annotation)


def _is_list(annotation: Any) -> bool:
    return get_origin(annotation) in (list, tuple) or any(map(_is_list, get_args(annotation)))


def _check(request: Request, known: dict[str, bool]) -> None:
    """Raises Problem."""
    counts = Counter(name for name, _ in request.query_params.multi_items())
    wrong = []
    for name, count in counts.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            there_are = f"there are {', '.join(known)}" if known else "it takes none"
            hint = f"did you mean {near[0]}?" if near else there_are
            wrong.append((name, f"is no parameter of this address ({hint})"))
        elif count > 1 and not known[name]:
            wrong.append((name, f"is given {count} times, and can have one value"))
    if wrong:
        errors = [
            {"place": "query", "pointer": f"#/{_pointer(name)}", "detail": reason} for name, reason in wrong
        ]
        told = "; ".join(f"{_shown(name)} {reason}" for name, reason in wrong)
        raise Problem("malformed", f"The query is not right: {told}", errors=errors)


def _pointer(name: str) -> str:
    return _shown(name).replace("~", "~0").replace("/", "~1")


def _shown(name: str) -> str:
    """A name that somebody sent, as a message shows it."""
    cut = name if len(name) <= _LONGEST_SHOWN else f"{name[: _LONGEST_SHOWN - 1]}…"
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in cut)
