"""Parameters of audits."""

from typing import Annotated

from pydantic import Field

from fair_models.params.fields import Destination, Params


class Threshold(Params):
    """Between what a metric of a published model should lie."""

    least: float | None = Field(None, description="Below this a model is too weak. Default: no bound.")
    most: float | None = Field(
        None,
        description="Above this a model is too good to be true, for example because held-out chips leaked "
        "into the training. Default: no bound.",
    )


MetricPattern = Annotated[str, Field(pattern=r"^fair:[A-Za-z*][A-Za-z0-9_*]*$", max_length=100)]
"""A metric, e.g. "fair:building_iou", or one of each class: "fair:*_iou"."""


class AuditParams(Params):
    """Check the whole catalogue."""

    rules: list[str] = Field(default=[], description="Names of the rules to run. Default: all.")
    digests: bool = Field(
        False,
        description="Read the bytes of every asset: digests, splits, code. Default: no, the sample alone.",
    )
    sample: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Part of the assets whose bytes are read, 0 to 1. It changes every day: with 0.05, the "
        "default, each is read every 20 days. 0 reads none.",
    )
    repair: bool = Field(
        False, description="Do what is safe about what is wrong, and say what was done. Default: no."
    )
    grace_hours: float = Field(
        24.0,
        ge=1,
        le=10_000,
        description="Files that nothing names, and what a crash left, count after this many hours, 1 to "
        "10000: a publish puts its files before its item. Default: 24.",
    )
    licences: list[Annotated[str, Field(min_length=1, max_length=60)]] = Field(
        default=[],
        description="SPDX identifiers that an item's licence may be. Default: any, but there must be one.",
    )
    thresholds: dict[MetricPattern, Threshold] = Field(
        default={},
        description="Least and most value of held-out metrics of active local models, for example "
        '{"fair:building_iou": {"least": 0.5, "most": 0.999}}. A * stands for the class: its mean over the '
        "classes, weighted by held-out labels. What was not measured is not compared. Default: none.",
    )
    report: Destination | None = Field(
        None,
        description="File for the report, .json or .md, as the worker sees it: new, or an earlier report, "
        "which is replaced. Default: both, under FAIR_HOME/audits by time.",
    )
