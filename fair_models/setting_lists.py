"""How a setting that is a list is written into a variable."""

from __future__ import annotations

import json
from typing import Any

from pydantic import BeforeValidator
from pydantic_settings import NoDecode


def _split(value: Any) -> Any:
    """A list as it is written in a variable: JSON, or words separated by commas."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        return json.loads(value)
    return [word.strip() for word in value.split(",") if word.strip()]


Listed = (NoDecode, BeforeValidator(_split))
"""Annotations of such a setting."""
