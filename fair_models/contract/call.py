"""Calling what contributors wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from fair_models.errors import FairModelsError, InvalidContribution

P = ParamSpec("P")
T = TypeVar("T")


def called(model: str, name: str, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
    """Call a contributor's function; whatever it raises, or an exit, is a reason against the contribution.

    Args:
        model: What the reason is about: the model, or a file of it.
        name: What the function is called in the contract, e.g. "build".
        function: The function.
        arguments: What it gets.
        options: What it gets by name.

    Raises:
        InvalidContribution: It raised something that is no error of our family.
    """
    try:
        return function(*arguments, **options)
    except FairModelsError:
        raise
    except (Exception, SystemExit) as error:
        raise InvalidContribution(model, [f"{name} failed: {type(error).__name__}: {error}"]) from error
