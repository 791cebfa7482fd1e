"""What the item of a dataset says."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from fair_models.catalog.items import assets
from fair_models.catalog.items.item import RegistryItem
from fair_models.errors import NotFound
from fair_models.types import Json

SLICE = "fair:slice"
"""Property of a dataset that is a part of another one: which one, and what belongs to it."""

OBJECTS = "fair:instances"
"""Property of a dataset that says what an object of its labels is, where that is not each label of people."""

CONNECTED = "connected"
"""Objects are connected pixels of masks: those that touch are one."""

LABELS_TIME = "fair:labels_datetime"
"""Property of a dataset that says of when its labels are, in UTC, where they say so."""

MAPPED_AREA = "fair:mapped_area"
"""Property of a dataset with the ground that was looked at, as a GeoJSON geometry, where that is small."""

CHANGES = "fair:changes"
"""Property of a dataset that says what is new since which version before."""

AREAS = "fair:areas"
"""Property of a dataset that lists the areas which were looked at: name, chips, labels."""


REGISTRATION = "fair:label_registration"
"""Property of a dataset that says how far its labels lay beside the imagery, and whether they were moved."""

LABEL_REPORT = "fair:label_report"
"""Property of a dataset that says how many chips and labels have each finding of the report on its labels."""

LEFT_OUT = "fair:left_out"
"""Property of a dataset: chips that neither train nor evaluate because of their labels, and why."""


class DatasetItem(RegistryItem):
    """A typed view of a dataset's item: labels, split, chips. Datasets of others may lack any of it."""

    @cached_property
    def classes(self) -> list[str]:
        """Class names of the labels, without the background."""
        return [str(name) for entry in self.properties.get("label:classes", []) for name in entry["classes"]]

    @property
    def label_tasks(self) -> list[str]:
        """`label:tasks`: what the labels are good for."""
        return list(self.properties.get("label:tasks", []))

    @property
    def has_polygons(self) -> bool:
        """Whether its labels are vectors on a map, and not masks or captions."""
        return self.properties["label:type"] == "vector" and "gsd" in self.properties

    @property
    def class_counts(self) -> Mapping[str, dict[str, int]]:
        """Labels of each class by side of the split ("train", "held_out"); empty where nobody counted."""
        return self._field("fair:class_counts", {})

    @property
    def chip_counts(self) -> Mapping[str, dict[str, int]]:
        """Chips of each class as wholes by side of the split; empty where nobody counted."""
        return self._field("fair:chip_counts", {})

    @property
    def repairs(self) -> Mapping[str, int]:
        """What was repaired or left out, as counts by name."""
        return self._field("fair:repairs", {})

    @property
    def has_connected_objects(self) -> bool:
        """Whether its labels are connected pixels of masks, which tell no objects apart that touch."""
        return self.properties.get(OBJECTS) == CONNECTED

    @property
    def areas(self) -> list[Json]:
        """The areas that were looked at: name, chips by side of the split, labels. Empty: nobody says."""
        return list(self.properties.get(AREAS, []))

    @property
    def changes(self) -> Json | None:
        """What is new since which version before; None where nobody says."""
        return self.properties.get(CHANGES)

    @property
    def split(self) -> Json:
        """`fair:split_spec`: method, held-out ratio, buffer, seed and counts of the sides."""
        split: Json = self.properties["fair:split_spec"]
        return split

    @property
    def gsd_m(self) -> float | None:
        """Ground sample distance of the chips in metres; None where it is not known."""
        return self.properties.get("gsd")

    @cached_property
    def band_names(self) -> list[str]:
        """Names of the chips' bands, in order; empty where nothing says them."""
        try:
            described = assets.by_role(self.item, assets.CHIPS).extra_fields.get("bands", [])
        except NotFound:
            return []
        return [band.get("name", "?") for band in described]

    @property
    def label_report(self) -> Json | None:
        """What the report on its labels counts; None where nobody looked at them."""
        return self.properties.get(LABEL_REPORT)

    @property
    def left_out(self) -> Json | None:
        """Which chips were left out because of their labels, and why; None where none was."""
        return self.properties.get(LEFT_OUT)

    @property
    def slice_of(self) -> str | None:
        """Exact id of the dataset that it is a part of; None for a whole one."""
        said = self.properties.get(SLICE)
        return None if said is None else str(said["of"])
