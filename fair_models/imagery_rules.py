"""By which rules imagery is read: part of a model, because it predicts right only on what it learnt from.

Items, run configs and predict configs name their rules. Those without were made before there were any, and
keep `OLD`, so that they give byte for byte what they gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from fair_models.errors import Invalid

FIELD = "fair:imagery_rules"
"""Property of items that names the rules."""

Fill = Literal["border-is-no-data", "kept"]
"""What wholly black or white areas at the border of an image are, where nothing marks them as no data."""


class ImageryRules(BaseModel):
    """What of an image file is imagery, and what its bands mean."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bands: Literal["position", "interpretation"] = Field(
        description="position: bands 1, 2, 3 are red, green, blue, and EXIF orientation is not looked at. "
        "interpretation: bands are what the file says they are, and EXIF orientation is applied."
    )
    fill: Fill = Field(
        description="kept: wholly white or black areas count as imagery. border-is-no-data: those that touch "
        "the image's border and are at least 1 % of it do not."
    )
    scale: Literal["mean", "each-axis"] = Field(
        description="mean: one factor brings both axes to the model's resolution. each-axis: a factor for "
        "each, as pixels may be wider than high on the ground."
    )
    chips: Literal["alone", "together"] = Field(
        "alone",
        description="alone: each chip is a sample of its own in training, and ground that several chips show "
        "is predicted several times. together: neighbouring chips are put together into samples, and ground "
        "counts once, at the resolution nearest to the model's. Default: alone.",
    )


OLD = ImageryRules(bands="position", fill="kept", scale="mean", chips="alone")
"""The rules of items and configs that name none."""

CURRENT = ImageryRules(bands="interpretation", fill="border-is-no-data", scale="each-axis", chips="together")
"""The rules of what is registered, ingested and trained now."""


def of(properties: Mapping[str, Any], subject: str = "the item") -> ImageryRules:
    """The rules that an item's properties name; `OLD` where they name none.

    Raises:
        Invalid: They name rules that are not known here.
    """
    said = properties.get(FIELD)
    if said is None:
        return OLD
    try:
        return ImageryRules.model_validate(said)
    except ValidationError as error:
        raise Invalid(
            f"{subject} reads imagery by rules that are not known here ({FIELD}: {said!r}): use the version "
            "of fair-models that wrote it, or a newer one"
        ) from error


def note(rules: ImageryRules, subject: str, remedy: str) -> str:
    """What a result says where rules are `OLD`; empty for others.

    Args:
        rules: The rules.
        subject: What has them, e.g. the exact id of a model.
        remedy: How to use the current ones, e.g. "train a new version".
    """
    if rules != OLD:
        return ""
    return (
        f"{subject} reads imagery by the rules of before: bands by position, EXIF orientation ignored, white "
        f"and black fill as imagery, one factor for both axes, each chip alone. To use the current "
        f"rules, {remedy}"
    )
