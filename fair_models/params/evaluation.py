"""Parameters of the comparison of versions."""

from pydantic import Field

from fair_models.params.fields import Params
from fair_models.types import Reference

_TOLD = 4
"""How many versions the name of a comparison's run has."""


class CompareParams(Params):
    """Measure versions side by side."""

    versions: list[Reference] = Field(
        min_length=1,
        max_length=20,
        description="What is compared, 1 to 20: names (the current version of a local or base model) or "
        "exact ids, of versions that are not published too. Differences are told from the first.",
    )
    dataset: Reference | None = Field(
        None,
        description="Dataset whose held-out chips all are measured on: a name (its current version) or an "
        "exact id. Default: the one that the first of them was trained on.",
    )
    slices: list[Reference] = Field(
        default=[],
        max_length=20,
        description="Further datasets to measure all on, up to 20, as slices of the first. Default: none.",
    )
    pictures: int = Field(
        6,
        ge=0,
        le=24,
        description="How many held-out chips on which they differ most are shown, 0 to 24. Default: 6.",
    )

    @property
    def told(self) -> str:
        """Who is compared, for the name of a run."""
        more = len(self.versions) - _TOLD
        return ", ".join(self.versions[:_TOLD]) + (f" and {more} more" if more > 0 else "")
