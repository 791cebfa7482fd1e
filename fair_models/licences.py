"""Licences by their SPDX identifiers, https://spdx.org/licenses; `other` is STAC's word for those without."""

from __future__ import annotations

import re
from difflib import get_close_matches
from functools import cache
from typing import Annotated

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from packaging.licenses._spdx import LICENSES
from pydantic import AfterValidator, StringConstraints

OTHER = "other"
"""A licence without an SPDX identifier; a link `license` should lead to its text."""

_OWN = r"LicenseRef-[A-Za-z0-9.-]+"

PATTERN = f"^(?:{OTHER}|{_OWN}|{'|'.join(re.escape(each['id']) for each in LICENSES.values())})$".replace(
    r"\-", "-"
)
"""One identifier as SPDX writes it. Too long for a form, which a server answers with."""

_FORM = r"^[A-Za-z0-9][A-Za-z0-9.+-]*$"


def _known(text: str) -> str:
    if re.fullmatch(PATTERN, text):
        return text
    raise ValueError(
        f"it {problem(text) or 'is no single SPDX identifier; give one such as CC-BY-4.0, or other'}"
    )


License = Annotated[str, StringConstraints(pattern=_FORM, max_length=60), AfterValidator(_known)]
"""The licence of data: one SPDX identifier such as "CC-BY-4.0", LicenseRef-<name>, or other."""


_NON_COMMERCIAL = re.compile(r"(?:^|-)(?:NC|NonCommercial|Noncommercial)(?:-|$)")
_NO_DERIVATIVES = re.compile(r"(?:^|-)(?:ND|NoDerivatives)(?:-|$)")


def forbidden(text: str) -> str | None:
    """Why weights under a licence cannot be trained further and published by everyone; None where they can.

    Args:
        text: One SPDX identifier or expression; empty where none is known.
    """
    if text in {"", OTHER} or text.startswith("LicenseRef-"):
        return (
            f"their licence is {text or 'not said'}, so that nobody can tell what it allows; give the asset "
            "the SPDX identifier of the weights' own licence (license), or name other weights"
        )
    if reason := problem(text):
        return f"their licence {reason}"
    for part in re.split(r"[\s()]+", text):
        if _NON_COMMERCIAL.search(part):
            return f"their licence {part} forbids commercial use; name weights that all may use"
        if _NO_DERIVATIVES.search(part):
            return f"their licence {part} forbids derivatives, and a fine-tuned model is one; name others"
    return None


@cache
def problem(text: str) -> str | None:
    """Why a text names no licence; None for an SPDX identifier or expression, LicenseRef-<name>, or other."""
    if text == OTHER:
        return None
    try:
        right = canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        known = [each["id"] for each in LICENSES.values()]
        near = get_close_matches(text, known, n=1, cutoff=0.8)
        meant = f"did you mean {near[0]}?" if near else "give one such as CC-BY-4.0 or Apache-2.0, or other"
        return f"is {text[:60]!r}, which is no SPDX identifier or expression; {meant}"
    return None if right == text else f"is {text[:60]!r}, SPDX writes it {right[:60]!r}"


_CREATIVE = re.compile(
    r"(?:creativecommons\.org/licenses/|\bcc[ _-]?)(by(?:[ _-](?:nc|sa|nd))*)[ _/-]*v?([1-4]\.[05])"
    r"(?:[ _/-]+([a-z]{2}|igo)\b)?",
    re.IGNORECASE,
)
_ZERO = re.compile(r"creativecommons\.org/publicdomain/zero/1\.0|\bcc[ _-]?0\b", re.IGNORECASE)


def named(text: str) -> str:
    """The SPDX identifier of a licence as people write it, e.g. "CC-BY 4.0" or the address of its text.

    Returns:
        The identifier; empty where the text names no licence, or several.
    """
    plain = text.strip()
    if plain and plain != OTHER and problem(plain) is None:
        return plain
    folded = "-".join(plain.lower().split())
    known = next((each["id"] for each in LICENSES.values() if each["id"].lower() == folded), "")
    return known or within(plain)


def within(text: str) -> str:
    """The one Creative Commons licence that a longer text names, such as an attribution.

    Returns:
        Its SPDX identifier; empty where it names none, several, or one without a version.
    """
    found = {_creative(*parts) for parts in _CREATIVE.findall(text)}
    if _ZERO.search(text):
        found.add("CC0-1.0")
    return found.pop() if len(found) == 1 else ""


def _creative(kind: str, version: str, port: str) -> str:
    plain = f"CC-{re.sub('[ _]', '-', kind).upper()}-{version}"
    ported = f"{plain}-{port.upper()}"
    return ported if port and problem(ported) is None else plain if problem(plain) is None else ""
