"""Labels of an ingest that are asked of OpenStreetMap for the area of its chips."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from fair_models.data.dataset_check import PreparedDataset, rules_of
from fair_models.data.folders import locate
from fair_models.data.images import antimeridian, chips, footprint
from fair_models.data.vectors.osm import label_services, tags
from fair_models.data.vectors.osm.tags import Tag, TagRules
from fair_models.errors import Invalid, InvalidLabels
from fair_models.inference.imagery.areas import Area
from fair_models.params import IngestDatasetParams
from fair_models.store import locations
from fair_models.types import BBox

ANSWER = "osm-labels.json"


@dataclass(frozen=True)
class AskedLabels:
    """Labels that a service is to be asked for.

    address: The service; empty where labels lie in a file.
    """

    address: str = ""

    def without(self, params: IngestDatasetParams) -> IngestDatasetParams:
        """The request without its service, which is no file to look for."""
        return params.model_copy(update={"labels": None}) if self.address else params

    def settled(self, params: IngestDatasetParams, area: Area | None, folder: Path) -> IngestDatasetParams:
        """The request with the file of the answer.

        Args:
            params: The request; its chips lie on this machine.
            area: Its area. Default: what is asked for are the surroundings of its chips.
            folder: Where the answer goes.

        Raises:
            As `label_services.ask` does.
        """
        if not self.address:
            return params
        path = label_services.ask(self.address, _rules(params), _around(params, area), folder / ANSWER)
        return params.model_copy(update={"labels": str(path)})

    def known(self, prepared: PreparedDataset) -> PreparedDataset:
        """A dataset whose labels come from the service, if they do."""
        if not self.address:
            return prepared
        return replace(prepared, from_osm=f"{locations.shown(self.address)} gave them")

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors over the answer name the service: its file means nothing to people."""
        try:
            yield
        except InvalidLabels as error:
            if not self.address or Path(error.subject).name != ANSWER:
                raise
            raise InvalidLabels(locations.shown(self.address), error.reasons) from error


def asked(params: IngestDatasetParams) -> AskedLabels:
    """The service that a request names in place of a file of labels.

    Raises:
        Invalid: It names another address, one that is not allowed, or captions are to come from there.
    """
    if params.labels is None or not locations.is_web(params.labels):
        return AskedLabels()
    try:
        label_services.require(params.labels)
    except Invalid as error:
        raise Invalid(f"labels: {error}") from error
    if params.captions == "given":
        raise Invalid("labels: captions lie in a file, OpenStreetMap has none; name the file")
    return AskedLabels(params.labels)


def _rules(params: IngestDatasetParams) -> TagRules:
    if params.class_property is not None:
        return TagRules({name: [Tag(params.class_property)] for name in params.class_names})
    return tags.rules(params.class_names, params.class_values)


def _around(params: IngestDatasetParams, area: Area | None) -> BBox:
    if area is not None:
        return antimeridian.bbox([area.outline])
    folder = locate(params.chips_folder, None).chips
    return footprint.bbox(footprint.of(chips.find(folder, rules=rules_of(params))))
