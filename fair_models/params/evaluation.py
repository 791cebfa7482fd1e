"""Parameters of the comparison of versions."""

from typing import Literal

from pydantic import Field

from fair_models.params.fields import Params
from fair_models.types import Reference

_NAMED = 4
"""Number of versions in the name of a run."""


class CompareParams(Params):
    """Measure versions side by side."""

    versions: list[Reference] = Field(
        min_length=1,
        max_length=20,
        description="Versions to compare, 1 to 20: names (the current version of a local or base model) or "
        "exact ids, also of versions that are not published. Differences are measured from the first.",
    )
    dataset: Reference | None = Field(
        None,
        description="Dataset with the held-out chips: a name (its current version) or an exact id. "
        "Default: the dataset that the first version was trained on.",
    )
    slices: list[Reference] = Field(
        default=[],
        max_length=20,
        description="Further datasets to measure on, up to 20, such as slices of the first. Default: none.",
    )
    by: Literal["dataset", "area"] = Field(
        "dataset",
        description="dataset (default): all held-out chips of a dataset together. area: also each "
        "of its areas alone: all chips of an area that no version has learnt from, else its held-out ones, "
        "with a mark where a version has learnt from the area. For datasets ingested with an area.",
    )
    pictures: int = Field(
        6,
        ge=0,
        le=24,
        description="Number of held-out chips to show, those where they differ most, 0 to 24. Default: 6.",
    )

    @property
    def summary(self) -> str:
        """The first versions, for the name of a run."""
        more = len(self.versions) - _NAMED
        return ", ".join(self.versions[:_NAMED]) + (f" and {more} more" if more > 0 else "")
