"""Items of datasets that others wrote: their chips, their labels, and what they say of both."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from fair_models import class_names, settings
from fair_models.catalog.items import assets
from fair_models.catalog.items.dataset import MAPPED_AREA
from fair_models.catalog.schemas.keywords import vocabulary
from fair_models.data.vectors import polygons
from fair_models.errors import FairModelsError, InvalidItem, Unavailable
from fair_models.inference.imagery import areas
from fair_models.params import IngestDatasetParams
from fair_models.publishing.register import code_hosts, item_documents
from fair_models.publishing.register.item_documents import ItemDocument
from fair_models.store import locations
from fair_models.store.archive import unpack
from fair_models.store.digests import verify
from fair_models.store.download import download
from fair_models.store.locations import Download
from fair_models.types import DATASETS, Json

_OWN_PROPERTIES = frozenset({"class", "fair:class"})
_LABEL_FILES = (".geojson", ".json")
_LONGEST_PROVIDER = 120
_BY_HAND = "download it, and name the folder: fair-models ingest NAME FOLDER --labels FILE"


@dataclass(frozen=True)
class DatasetSource:
    """What an item of a dataset says, as far as an ingest takes it.

    item: Its id.
    values: Parameters of an ingest by their names.
    chips, labels: Its assets with the chips and with the labels.
    areas: Its asset with the areas that were looked at; empty where there is none.
    mapped_area: The ground that was looked at, as a property says it; None where none does.
    reasons: Why it cannot be taken, in sentences.
    """

    item: str
    values: Json
    chips: Json
    labels: Json
    areas: Json = field(default_factory=dict)
    mapped_area: Any = None
    reasons: list[str] = field(default_factory=list)


def names_item(chips: str) -> bool:
    """Whether what was given in place of a folder of chips names the item of a dataset.

    It is a file that ends in .json, or an address of one, or of an item in a STAC API.
    """
    if locations.is_web(chips):
        path = re.split(r"[?#]", chips, maxsplit=1)[0]
        return path.lower().endswith(".json") or "/items/" in path
    return chips.lower().endswith(".json") and not Path(chips).is_dir()


def settle(params: IngestDatasetParams, work: Path) -> IngestDatasetParams:
    """What an item says, in the place of what the request leaves out. Its files are brought to this machine.

    Args:
        params: The request; `chips` names the item. What it says itself counts.
        work: Folder for what is downloaded and unpacked.

    Raises:
        NotFound: There is no such item.
        Invalid: It is no item of a dataset, or lies where it may not be read from.
        InvalidItem: It cannot be taken; lists every reason.
        Unavailable: A server does not answer.
    """
    read = item_documents.read(params.chips_folder, work)
    item_documents.refuse_other_kinds(read, DATASETS)
    found = facts(read)
    values = {**_left_out(params, found.values), "chips": params.chips}
    reasons = [*found.reasons, *_wrong(params, values)]
    if reasons:
        raise InvalidItem(found.item, reasons)
    places = _Places(read.base, work)
    chips = places.folder("chips", found.chips)
    labels = locations.local_path(params.labels) if params.labels else places.labels(found.labels)
    if params.area is None and params.captions != "given":
        values["area"] = places.area(found) or None
    if places.reasons:
        raise InvalidItem(found.item, places.reasons)
    return params.model_copy(update={**values, "chips": str(chips), "labels": labels and str(labels)})


def facts(read: ItemDocument) -> DatasetSource:
    """What an item says, without looking at its files."""
    document = read.document
    said = document.get("properties")
    properties: Json = said if isinstance(said, dict) else {}
    held = document.get("assets")
    by_key: Json = (
        {key: each for key, each in held.items() if _is_file(each)} if isinstance(held, dict) else {}
    )
    chips, labels = _asset(by_key, "chips", assets.CHIPS), _asset(by_key, "labels", assets.LABELS)
    reasons = []
    if not chips:
        reasons.append("assets: none has the role data (key chips) and an href, so there are no chips")
    if not labels:
        reasons.append("assets: none has the role labels (key labels) and an href, so there are no labels")
    if properties.get("label:type") == "raster":
        reasons.append("properties.label:type: is raster; labels are taken as polygons (vector)")
    classes, problems = _classes(properties)
    values = {**classes, **_texts(properties), **_source(document)}
    name = str(document.get("id") or locations.shown(read.source))
    looked_at = _asset(by_key, assets.KEYS[assets.AREAS], assets.AREAS)
    outline = properties.get(MAPPED_AREA) if not looked_at else None
    return DatasetSource(name, values, chips, labels, looked_at, outline, [*reasons, *problems])


def look(params: IngestDatasetParams) -> str | None:
    """See whether an item of this machine can be ingested, before anything is brought here.

    Returns:
        The area that counts, as text: that of the request, else the item's; empty where neither has one. None
        where only a download shows it.

    Raises:
        As `settle` does, but for what only a download shows.
    """
    path = locations.local_path(params.chips_folder)
    read = item_documents.read(str(path), path.parent)
    item_documents.refuse_other_kinds(read, DATASETS)
    if reasons := problems(read, params):
        raise InvalidItem(facts(read).item, reasons)
    found, places = facts(read), _Places(read.base, None)
    if params.area is not None or params.captions == "given":
        return params.area or ""
    if found.areas and not isinstance(places.look("areas", found.areas), Path):
        return None
    return places.area(found)


def problems(read: ItemDocument, params: IngestDatasetParams | None = None) -> list[str]:
    """Why an item cannot be ingested, as far as that can be told without a download.

    Args:
        read: The item.
        params: The request. Default: one that says nothing but a name.
    """
    found = facts(read)
    request = params or IngestDatasetParams(name="any", title="any", chips=read.source)
    places = _Places(read.base, None)
    for key, asset in (("chips", found.chips), ("labels", found.labels), ("areas", found.areas)):
        if asset:
            places.look(key, asset)
    if request.area is None and not found.areas:
        places.area(found)
    return [*found.reasons, *_wrong(request, _left_out(request, found.values)), *places.reasons]


class _Places:
    """Where the files of an item are, or are brought to."""

    def __init__(self, base: Path | str, work: Path | None) -> None:
        self._base, self._work = base, work
        self.reasons: list[str] = []

    def look(self, key: str, asset: Json) -> Path | Download | None:
        """The path or address of an asset; None with a reason where it cannot be had."""
        href = str(asset["href"])
        try:
            if locations.is_web(href) or isinstance(self._base, str):
                if locations.scheme_of(href) == "file" or href.startswith(("/", "~", "\\")):
                    self.reasons.append(
                        f"assets.{key}: {href} names a file of the machine that reads it; {_BY_HAND}"
                    )
                    return None
                address = href if locations.is_web(href) else locations.joined(str(self._base), href)
                page = code_hosts.file_of(address)
                address = page.href if page else address
                return locations.parse_download(address)
            path = locations.local_path(href, self._base)
            if path.is_dir():
                return locations.local_folder(path)
            if not path.is_file():
                self.reasons.append(f"assets.{key}: there is no {href}; put it there or correct the href")
                return None
            if "file:checksum" in asset:
                verify(path, str(asset["file:checksum"]))
            return path
        except Unavailable:
            raise
        except FairModelsError as error:
            self.reasons.append(f"assets.{key}: {error}")
            return None

    def folder(self, key: str, asset: Json) -> Path | None:
        """The folder of the chips."""
        place = self._here(key, asset)
        if place is None or place.is_dir():
            return place
        if not zipfile.is_zipfile(place):
            self.reasons.append(
                f"assets.{key}: {asset['href']} is neither a folder nor a zip archive of chips; {_BY_HAND}"
            )
            return None
        folder = self._in_work("chips")
        unpack(place, folder)
        inside = [path for path in folder.iterdir() if not path.name.startswith((".", "__"))]
        return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder

    def labels(self, asset: Json) -> Path | None:
        """The file with the labels."""
        place = self._here("labels", asset)
        if place is None or not place.is_dir():
            return place
        found = sorted(path for path in place.iterdir() if path.suffix.lower() in _LABEL_FILES)
        if len(found) == 1:
            return locations.local_path(found[0])
        listed = ", ".join(path.name for path in found[:10]) or "none"
        self.reasons.append(
            f"assets.labels: {asset['href']} is a folder with {len(found)} files of labels ({listed}); "
            "name one with --labels"
        )
        return None

    def area(self, source: DatasetSource) -> str:
        """The areas that were looked at as the text of an area; empty where the item has none."""
        said: Any = source.mapped_area
        where = f"properties.{MAPPED_AREA}"
        try:
            if source.areas:
                where = "assets.areas"
                place = self._here("areas", source.areas)
                if place is None:
                    return ""
                said = polygons.document_of(place)
            if said is None:
                return ""
            text = orjson.dumps(said).decode()
            areas.read(text)
        except Unavailable:
            raise
        except FairModelsError as error:
            self.reasons.append(f"{where}: {error}; name the area with --area")
            return ""
        return text

    def _here(self, key: str, asset: Json) -> Path | None:
        place = self.look(key, asset)
        if place is None or isinstance(place, Path):
            return place
        ending = ".zip" if key == "chips" else ".geojson"
        path = self._in_work(f"{key}{ending}")
        checksum = asset.get("file:checksum")
        try:
            download(
                place,
                path,
                largest_bytes=settings.current().largest_download_bytes,
                checksum=checksum if isinstance(checksum, str) else None,
            )
        except Unavailable as error:
            raise Unavailable(f"assets.{key}: {error}. Or {_BY_HAND}") from error
        except FairModelsError as error:
            hint = f". A folder on the web cannot be listed: name a zip archive, or {_BY_HAND}"
            self.reasons.append(f"assets.{key}: {error}{hint if key == 'chips' else ''}")
            return None
        return path

    def _in_work(self, name: str) -> Path:
        assert self._work is not None  # noqa: S101 - only `look` is called without
        return self._work / "item" / name


def _left_out(params: IngestDatasetParams, values: Json) -> Json:
    """What the item says of what the request does not. The command line gives the name for a title."""
    fields = IngestDatasetParams.model_fields
    return {
        name: value
        for name, value in values.items()
        if getattr(params, name) in ([params.name] if name == "title" else [fields[name].default])
    }


def _wrong(params: IngestDatasetParams, values: Json) -> Iterator[str]:
    """Why values that an item says are none that a dataset may have."""
    try:
        IngestDatasetParams.model_validate({**params.model_dump(), **values})
    except ValidationError as error:
        for each in error.errors():
            name = str(each["loc"][0])
            remedy = f"correct the item, or say it yourself ({_option(name)})"
            yield f"{_SAID_AS.get(name, name)}: {each['msg']}; {remedy}"


_SAID_AS = {
    "classes": "properties.label:classes",
    "class_property": "properties.label:properties",
    "provider": "properties.providers",
    "source_imagery": "links (source)",
    **{name: f"properties.{name}" for name in ("title", "description", "keywords", "license")},
}


def _option(name: str) -> str:
    return {"classes": "--class", "keywords": "--keyword"}.get(name, f"--{name.replace('_', '-')}")


def _is_file(asset: Any) -> bool:
    return isinstance(asset, dict) and isinstance(asset.get("href"), str) and bool(asset["href"])


def _asset(held: Json, key: str, role: str) -> Json:
    """The asset under our key, else the first with the role; empty where there is none."""
    if key in held:
        return dict(held[key])
    with_role = (each for each in held.values() if role in (each.get("roles") or []))
    return dict(next(with_role, {}))


def _classes(properties: Json) -> tuple[Json, list[str]]:
    """Classes, and the property of a label that names them.

    The label extension names a property and its values: of `building` with the values yes and house all
    labels are buildings; of `class` with the values building and road the values are the classes.
    """
    entries = properties.get("label:classes")
    listed = entries if isinstance(entries, list) else []
    found = [each for each in listed if isinstance(each, dict) and isinstance(each.get("classes"), list)]
    if not found:
        return {}, []
    if len(found) > 1:
        names = ", ".join(str(each.get("name")) for each in found)
        return {}, [
            f"properties.label:classes: names several properties ({names}), one is taken; say which with "
            "--class and --class-property"
        ]
    name, values = found[0].get("name"), [str(value) for value in found[0]["classes"]]
    if isinstance(name, str) and name in vocabulary().features:
        return {"classes": [name]}, []
    named = properties.get("label:properties")
    only = named[0] if isinstance(named, list) and len(named) == 1 and isinstance(named[0], str) else None
    classes = [_class(value) for value in values]
    if len(classes) < 2:
        return {"classes": [each.partition("=")[0] for each in classes]}, []
    return {"classes": classes, "class_property": name if isinstance(name, str) else only}, []


def _class(value: str) -> str:
    """A class for a value: itself, or a word of lower case that the value is mapped to."""
    word = class_names.suggestion(value)
    return value if word == value else f"{word}={value}"


def _texts(properties: Json) -> Json:
    """Title, description, licence, keywords and who made the labels."""
    said = {name: properties.get(name) for name in ("title", "description", "license")}
    texts: Json = {name: value for name, value in said.items() if isinstance(value, str) and value}
    words = properties.get("keywords")
    if isinstance(words, list) and words and all(isinstance(word, str) for word in words):
        texts["keywords"] = words
    provider = _provider(properties.get("providers"))
    return {**texts, **({"provider": provider} if provider else {})}


def _provider(providers: Any) -> str:
    names: Sequence[str] = [
        str(each["name"])
        for each in (providers if isinstance(providers, list) else [])
        if isinstance(each, dict) and each.get("name")
    ]
    return ", ".join(dict.fromkeys(names))[:_LONGEST_PROVIDER]


def _source(document: Json) -> Json:
    links = document.get("links")
    found = [
        str(link["href"])
        for link in (links if isinstance(links, list) else [])
        if isinstance(link, dict) and link.get("rel") == "source" and locations.is_web(str(link.get("href")))
    ]
    return {"source_imagery": found[0]} if found else {}
