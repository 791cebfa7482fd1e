"""Repeat a prediction: from its item to the parameters of the same again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from fair_models.errors import Corrupted, InvalidItem, InvalidParameters, NotFound
from fair_models.imagery_rules import OLD
from fair_models.inference.network.engines import EXACT, ChosenEngine, Way
from fair_models.params import PredictParams, RepeatParams
from fair_models.store import documents, locations
from fair_models.store.digests import checksum_file, verify
from fair_models.types import Json

ITEM = "prediction.json"
EXISTING = "existing"
"""Key of the asset with existing features that a service gave."""

_CONFIG = "config"
ID_PROPERTY = "fair:id_property"
"""Field of a GeoJSON's asset: the property that has the ids. Without it they are members alone."""


@dataclass(frozen=True)
class Original:
    """A prediction that is repeated.

    href: Where its item lies.
    datetime: Its time, which the repetition keeps.
    model_id: Exact id of the model.
    model_href: Where the model's item lay.
    model_checksum: Digest of the network that ran.
    exclude_checksum: Digest of the existing features, where there were any.
    existing: The existing features that a service gave, as they were kept; None where a file was named.
    files: Digests of its files by name.
    chosen: What ran the network.
    plain_ids: Whether ids are properties in its GeoJSON too; in older ones they are members alone.
    """

    href: str
    datetime: str
    model_id: str
    model_href: str
    model_checksum: str
    exclude_checksum: str | None
    files: Mapping[str, str]
    chosen: ChosenEngine = field(default_factory=ChosenEngine)
    plain_ids: bool = True
    existing: Path | None = None

    def check(self, network: Path, exclude: Path | None) -> None:
        """See that what the prediction was made of is what it was.

        Raises:
            Corrupted: The network or the existing features have other bytes than then.
        """
        then = {network: self.model_checksum}
        if exclude is not None and self.exclude_checksum is not None:
            then[exclude] = self.exclude_checksum
        for path, checksum in then.items():
            if checksum_file(path) != checksum:
                raise Corrupted(
                    f"{path} is not what it was when {self.href} was made: its digest differs, so the "
                    "prediction cannot be repeated; start a new one"
                )


def settle(params: RepeatParams) -> tuple[PredictParams, Original]:
    """What is to be predicted: all that the prediction's config says, and where to.

    Raises:
        NotFound: There is no such prediction.
        Invalid: It may not be read, or is none that can be repeated.
        Corrupted: Its config is not the one that was written with it.
        Unavailable: A file cannot be read.
    """
    path = locations.local_path(params.prediction)
    path = path / ITEM if path.is_dir() else path
    if not path.is_file():
        raise NotFound(f"There is no prediction at {path}. Name its folder, or the {ITEM} in it")
    item = documents.read_json(path)
    try:
        asked = _config(path, item)
        original = _original(path, item)
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidItem(path.name, [f"it lacks {error}; name the item of a prediction"]) from error
    asked = asked.model_copy(update={"output": params.output, "sub_runs": params.sub_runs})
    if asked.imagery_rules is None:  # it was made before configs named their rules
        asked = asked.model_copy(update={"imagery_rules": OLD})
    return asked, original


def _config(path: Path, item: Json) -> PredictParams:
    asset = item["assets"][_CONFIG]
    config = locations.local_path(asset["href"], path.parent)
    if not config.is_file():
        raise NotFound(f"{config} is missing, which says how {path} was made. Copy it beside it")
    verify(config, asset["file:checksum"])
    try:
        return PredictParams.model_validate(documents.read_yaml(config))
    except ValidationError as error:
        reasons = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise InvalidParameters(str(config), reasons) from error


def _existing(path: Path, item: Json) -> Path | None:
    """Existing features that lie beside a prediction; None where none do."""
    asset = item["assets"].get(EXISTING)
    if asset is None:
        return None
    existing = locations.local_path(asset["href"], path.parent)
    if not existing.is_file():
        raise NotFound(f"{existing} is missing, which {path} was made with. Copy it beside it")
    return existing


def _original(path: Path, item: Json) -> Original:
    properties = item["properties"]
    return Original(
        href=str(path),
        datetime=properties["datetime"],
        model_id=properties["fair:model_id"],
        model_href=model_href(item),
        model_checksum=properties["fair:model_checksum"],
        exclude_checksum=properties.get("fair:options", {}).get("exclude_checksum"),
        files={Path(asset["href"]).name: asset["file:checksum"] for asset in item["assets"].values()},
        chosen=_chosen(properties["fair:engine"]),
        plain_ids=any(ID_PROPERTY in asset for asset in item["assets"].values()),
        existing=_existing(path, item),
    )


def model_href(prediction: Json) -> str:
    """Where the item of the model lay that made a prediction; empty where its item does not say."""
    links = [each for each in prediction.get("links", []) if each.get("rel") == "derived_from"]
    return str(links[0]["href"]) if links else ""


def _chosen(engine: Json) -> ChosenEngine:
    """What ran the network; older predictions do not say the precision, which was float32."""
    way = Way(engine["name"], engine.get("precision", EXACT.precision))
    return ChosenEngine(way, engine.get("note", ""))
