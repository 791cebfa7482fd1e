"""The run config: one training, described whole."""

from __future__ import annotations

from typing import Annotated, Any, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from fair_models import place_fields
from fair_models.errors import InvalidParameters
from fair_models.imagery_rules import OLD, ImageryRules
from fair_models.params import HyperparameterValue
from fair_models.store import documents
from fair_models.text import Prose
from fair_models.types import Name, Reference, Title

_NAME = "run config"
_LIMITS = documents.Limits(bytes=1_000_000, depth=16)

Checksum = Annotated[str, Field(pattern=r"^1220[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class FileRef(_Part):
    """Bytes, by place and digest."""

    href: str = Field(
        min_length=1,
        max_length=2000,
        description="Where the file lies.",
        json_schema_extra={place_fields.KEYWORD: place_fields.REGISTERED},
    )
    checksum: Checksum = Field(description="sha-256 multihash of the file, in hex.")


class CodeRef(_Part):
    """The contribution's code as it was registered."""

    archive: FileRef = Field(description="Archive of the contribution's modules.")
    entrypoint: str = Field(
        pattern=r"^[A-Za-z_][\w.]*(:[A-Za-z_]\w*)?$",
        description="Module with Params, build, train, evaluate, export; or module:name of a ZenML pipeline.",
    )
    preprocess: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="Function before the network."
    )
    postprocess: str = Field(
        pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$", description="Function after the network."
    )


class DataRef(_Part):
    """The dataset as it was ingested."""

    chips: FileRef = Field(description="Archive of the chips.")
    labels: FileRef = Field(description="Labels.")
    split: FileRef = Field(description="Which chips train and which are held out.")
    class_counts: dict[str, dict[str, int]] = Field(
        default={}, description="Labels of each class on the sides `train` and `held_out`."
    )
    connected: bool = Field(
        False,
        description="Whether its objects are connected pixels of masks, so that those that touch are one.",
    )


class InputSpec(_Part):
    """What the network takes, from the item's `mlm:input`."""

    bands: int = Field(ge=1, le=64, description="Number of bands.")
    band_names: list[str] = Field(
        default=[], description="Names of the bands in order; empty where not named."
    )
    size_px: int = Field(ge=16, le=8192, description="Height and width of a training sample, in pixels.")
    gsd_m: float = Field(
        gt=0, le=100, description="Ground sample distance that the model works at, in metres."
    )
    resampling: str = Field(
        "average", description="How imagery is brought to that distance: average, bilinear, nearest."
    )
    rules: ImageryRules = Field(
        OLD,
        description="By which rules imagery is read: those of the dataset's item. Default: those of before "
        "there were any.",
    )


class Bounds(_Part):
    """Least and largest value of a hyperparameter."""

    least: float = Field(description="Least value.")
    most: float = Field(description="Largest value.")


class StopRule(_Part):
    """Ends a training early that does badly. What it has learnt until then is measured and kept."""

    epoch: int = Field(ge=1, le=100_000, description="The epoch after which it is looked at, from 1.")
    figure: str = Field("loss", max_length=100, description="Figure of that epoch that is looked at.")
    most: float = Field(description="Above this the training ends.")


class RunConfig(_Part):
    """One training. `train` takes nothing else; it is logged with the run and is enough to repeat it."""

    model_name: Name = Field(description="Name of the model that comes out.")
    title: Title = Field(description="Title for people.")
    description: Prose = Field("", max_length=4000, description="What the model is for.")
    base_model: Reference = Field(description="Exact id of the base model's item.")
    parent_model: Reference | None = Field(
        None,
        description="Exact id of the local model whose weights it starts from. Default: the base model's.",
    )
    dataset: Reference = Field(description="Exact id of the dataset's item.")
    task: str = Field(description="ML task, as in `mlm:tasks`.")
    code: CodeRef = Field(description="The contribution's code.")
    weights: FileRef = Field(description="Initial weights.")
    data: DataRef = Field(description="The dataset's files.")
    input: InputSpec = Field(description="What the network takes.")
    classes: list[str] = Field(
        min_length=2, description="Class names; the position is the index, 0 the background."
    )
    thing_classes: list[str] = Field(
        default=[],
        description="Classes whose objects are told apart. Default: all but the background.",
    )
    new_layers: list[str] = Field(
        default=[],
        description="Layers that start from random weights, because the dataset's classes are not the base "
        "model's.",
    )
    hyperparameters: dict[str, HyperparameterValue] = Field(
        description="All hyperparameters, with their prefix."
    )
    calibrated: dict[str, Bounds] = Field(
        default={},
        description="Inference hyperparameters that the training sets on its own side of the split, with "
        "their bounds; those that were asked for are not among them.",
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, description="Seed of the training.")
    stop: StopRule | None = Field(None, description="When it ends early. Default: never.")
    quicken: bool = Field(
        True,
        description="Whether the network is made in 8 bits too and compared with the exact one. "
        "Default: true; trials of a search do without, as they cannot be published.",
    )
    tags: list[Annotated[str, Field(pattern=r"^[a-z0-9:._-]+$", max_length=60)]] = Field(
        default=[], max_length=10, description="Words that tell its version apart, such as trial:3."
    )
    threads: int | None = Field(
        None, ge=1, le=256, description="CPU threads. Default: as many as there are cores."
    )

    @model_validator(mode="after")
    def _things_are_classes(self) -> Self:
        if foreign := [name for name in self.thing_classes if name not in self.classes[1:]]:
            raise ValueError(
                f"thing_classes names {', '.join(foreign)}, the classes besides the background are "
                f"{', '.join(self.classes[1:])}"
            )
        return self

    @property
    def things(self) -> list[str]:
        """Classes whose objects are told apart, in the order of `classes`."""
        return [name for name in self.classes[1:] if not self.thing_classes or name in self.thing_classes]

    def to_zenml(self) -> str:
        """The YAML that `zenml pipeline run … -c` takes. The same config gives the same text."""
        document: dict[str, Any] = {
            "enable_cache": False,
            "model": {"name": self.model_name},
            "parameters": {"config": self.model_dump(mode="json")},
        }
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)

    @classmethod
    def from_zenml(cls, text: str) -> RunConfig:
        """Read the YAML back.

        Raises:
            InvalidDocument: It is no plain YAML, or too large.
            InvalidParameters: It is no run config; lists everything that is wrong.
        """
        document = documents.parse_yaml(text.encode(errors="replace"), _NAME, _LIMITS)
        parameters = document.get("parameters") if isinstance(document, dict) else None
        if not isinstance(parameters, dict) or "config" not in parameters:
            raise InvalidParameters(
                _NAME, ["parameters.config is missing; give a file that a run has logged"]
            )
        try:
            return cls.model_validate(parameters["config"])
        except ValidationError as error:
            raise InvalidParameters(
                _NAME,
                [f"{'.'.join(map(str, each['loc'])) or 'config'}: {each['msg']}" for each in error.errors()],
            ) from error
