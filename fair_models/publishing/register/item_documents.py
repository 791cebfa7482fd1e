"""Documents of STAC items that people name: read, and told apart by what they describe."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from fair_models.errors import Invalid, NotFound
from fair_models.store import documents, locations
from fair_models.store.download import download
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, Json

LARGEST_ITEM_BYTES = 5_000_000

PREDICTION = "prediction"

Kind = Literal["base-models", "local-models", "datasets", "prediction"]

_WORDS: dict[str, str] = {
    BASE_MODELS: "a base model",
    LOCAL_MODELS: "a local model",
    DATASETS: "a dataset",
    PREDICTION: "a prediction",
}


@dataclass(frozen=True)
class ItemDocument:
    """An item as it was written.

    source: How it was named.
    base: Where its relative hrefs are seen from: its folder, or its address on the web.
    document: Its JSON, an object of the type Feature.
    """

    source: str
    base: Path | str
    document: Json

    @property
    def kind(self) -> Kind:
        """What it describes: by its collection, else by its fields; a base model where nothing tells."""
        collection, properties = self.document.get("collection"), self.document.get("properties")
        for known in get_args(Kind)[:3]:
            if collection == known:
                return cast(Kind, known)
        said = properties if isinstance(properties, dict) else {}
        if any(str(name).startswith("mlm:") for name in said):
            return "local-models" if "fair:base_model_id" in said else "base-models"
        if "fair:model_id" in said:
            return "prediction"
        is_dataset = any(str(name).startswith("label:") for name in said)
        return "datasets" if is_dataset else "base-models"

    @property
    def words(self) -> str:
        """What it describes, in words."""
        return _WORDS[self.kind]


def read(source: str, work: Path) -> ItemDocument:
    """Read an item.

    Args:
        source: Path, file URL or https address of it.
        work: Folder for what is downloaded.

    Raises:
        NotFound: There is no such file.
        Invalid: It is no item, or lies where it may not be read from.
        Unavailable: Its server does not answer.
    """
    base: Path | str
    if locations.is_web(source):
        path, base = work / "item.json", source
        download(locations.parse_web(source), path, largest_bytes=LARGEST_ITEM_BYTES)
    else:
        path = locations.local_path(source)
        base = path.parent
        if not path.is_file():
            raise NotFound(
                f"There is no {source}: name the folder of a contribution, or the file or address of an item"
            )
    limits = documents.Limits(bytes=LARGEST_ITEM_BYTES)
    document = documents.parse_json(path.read_bytes(), locations.shown(source), limits)
    if not isinstance(document, dict) or document.get("type") != "Feature":
        raise Invalid(
            f"{locations.shown(source)} is no STAC item (a JSON object of the type Feature): "
            "name the file of one"
        )
    return ItemDocument(source, base, document)


def refuse_other_kinds(read: ItemDocument, wanted: Kind) -> None:
    """Say what to do with an item of another kind.

    Args:
        read: The item.
        wanted: The kind that is needed; either kind of model stands for the other.

    Raises:
        Invalid: It is of another kind.
    """
    if read.kind == wanted or {read.kind, wanted} == {BASE_MODELS, LOCAL_MODELS}:
        return  # a model that was fine-tuned elsewhere is a base model here
    shown = locations.shown(read.source)
    remedy = {
        BASE_MODELS: f"register it: fair-models register {shown}",
        DATASETS: f"ingest it: fair-models ingest NAME {shown}",
        LOCAL_MODELS: "publish the version of a training: fair-models promote MODEL",
        PREDICTION: "repeat it (fair-models predict --from) or judge it (fair-models feedback)",
    }[read.kind]
    raise Invalid(f"{shown} is the item of {read.words} and not of {_WORDS[wanted]}; {remedy}")
