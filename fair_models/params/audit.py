"""Parameters of audits."""

from typing import Annotated

from pydantic import Field

from fair_models.params.fields import Destination, Params


class Threshold(Params):
    """Allowed range of a metric."""

    least: float | None = Field(
        None, description="Minimum. A model below it is too weak. Default: no minimum."
    )
    most: float | None = Field(
        None,
        description="Maximum. A model above it is too good to be true, for example because held-out chips "
        "leaked into the training. Default: no maximum.",
    )


MetricPattern = Annotated[str, Field(pattern=r"^fair:[A-Za-z*][A-Za-z0-9_*]*$", max_length=100)]
"""A metric, e.g. "fair:building_iou", or one of each class: "fair:*_iou"."""


class AuditParams(Params):
    """Check the whole catalogue."""

    rules: list[str] = Field(default=[], description="Names of the rules to run. Default: all.")
    digests: bool = Field(
        False,
        description="Read every asset whole: digests, splits, code. Default: false, only the sample is read.",
    )
    sample: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of the assets that are read, 0 to 1. The sample changes every day: with 0.05, "
        "each asset is read every 20 days. 0 reads none. Default: 0.05.",
    )
    repair: bool = Field(
        False, description="Repair what can be repaired safely, and list the repairs. Default: false."
    )
    grace_hours: float = Field(
        24.0,
        ge=1,
        le=10_000,
        description="Hours, 1 to 10000, after which files that no item names, and leftovers of crashes, "
        "are reported: a publish puts its files before its item. Default: 24.",
    )
    licences: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default=[],
        description="Allowed licences, as SPDX identifiers. Default: any, but an item must have one.",
    )
    thresholds: dict[MetricPattern, Threshold] = Field(
        default={},
        description="Minimum and maximum of metrics of active local models on held-out chips, for example "
        '{"fair:building_iou": {"least": 0.5, "most": 0.999}}. A * stands for the classes: the mean over '
        "them, weighted by held-out labels, counts. A metric that was not measured is not checked. "
        "Default: none.",
    )
    report: Destination | None = Field(
        None,
        description="File for the report, .json or .md, as the worker sees it. An earlier report is "
        "replaced, no other file. Default: both, named by time, under FAIR_HOME/audits.",
    )
