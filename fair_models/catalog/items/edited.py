"""What people may change of a published version: its title, description, words, and fields of their own."""

from __future__ import annotations

from typing import Final

TAGS: Final = "fair:tags"
"""Property of an item with free words of its owner."""

METADATA: Final = "fair:metadata"
"""Property of an item with fields of its owner, any JSON."""

EDITED: Final = "fair:edited"
"""Property of an item that lists which of its properties people changed after it was published."""

FIELDS: Final = ("title", "description", "keywords", TAGS, METADATA)
"""Properties that may be changed. All else says what a version is, and never changes."""
