"""Modules that had another name once: code that was archived then still finds them.

Registered code is archived by digest and keeps its imports, and ZenML, run configs and saved blocks name
modules by their dotted names. So a module that moves leaves a line here, and importing the old name gives the
module of today, the same object. Nothing of the library itself imports an old name (a test looks).
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

MOVED = {
    "fair_models.audit.filing": "fair_models.audit.report_file",
    "fair_models.audit.item_rules": "fair_models.audit.profile_rules",
    "fair_models.audit.problem": "fair_models.audit.findings",
    "fair_models.audit.reading": "fair_models.audit.snapshot",
    "fair_models.catalog.agreement": "fair_models.catalog.items.agreement",
    "fair_models.catalog.ancestry": "fair_models.catalog.query",
    "fair_models.catalog.assets": "fair_models.catalog.items.assets",
    "fair_models.catalog.base_models": "fair_models.catalog.items.base_models",
    "fair_models.catalog.building": "fair_models.catalog.items.building",
    "fair_models.catalog.class_change": "fair_models.catalog.items.model_classes",
    "fair_models.catalog.collections": "fair_models.catalog.items.collections",
    "fair_models.catalog.datasets": "fair_models.catalog.items.datasets",
    "fair_models.catalog.documents": "fair_models.catalog.changes.documents",
    "fair_models.catalog.edits": "fair_models.catalog.changes.edits",
    "fair_models.catalog.expectations": "fair_models.catalog.changes.expectations",
    "fair_models.catalog.extensions": "fair_models.catalog.schemas.extensions",
    "fair_models.catalog.facts": "fair_models.catalog.items.search_fields",
    "fair_models.catalog.figure_rules": "fair_models.catalog.item_rules",
    "fair_models.catalog.figures": "fair_models.reports.metrics",
    "fair_models.catalog.guesses": "fair_models.catalog.items.guesses",
    "fair_models.catalog.hyperparameters": "fair_models.catalog.items.hyperparameters",
    "fair_models.catalog.keywords": "fair_models.catalog.schemas.keywords",
    "fair_models.catalog.lineage": "fair_models.catalog.items.lineage",
    "fair_models.catalog.local_change": "fair_models.catalog.local.change",
    "fair_models.catalog.local_database": "fair_models.catalog.local.database",
    "fair_models.catalog.local_files": "fair_models.catalog.local.files",
    "fair_models.catalog.local_index": "fair_models.catalog.local.index",
    "fair_models.catalog.local_journal": "fair_models.catalog.local.journal",
    "fair_models.catalog.local_layout": "fair_models.catalog.local.layout",
    "fair_models.catalog.local_lock": "fair_models.catalog.local.lock",
    "fair_models.catalog.local_models": "fair_models.catalog.items.local_models",
    "fair_models.catalog.local_refresh": "fair_models.catalog.local.refresh",
    "fair_models.catalog.local_survey": "fair_models.catalog.local.survey",
    "fair_models.catalog.local_tombstones": "fair_models.catalog.local.tombstones",
    "fair_models.catalog.model_classes": "fair_models.catalog.items.model_classes",
    "fair_models.catalog.model_input": "fair_models.catalog.items.model",
    "fair_models.catalog.nearest": "fair_models.catalog.items.tombstones",
    "fair_models.catalog.official_schemas": "fair_models.catalog.schemas.official",
    "fair_models.catalog.own_schemas": "fair_models.catalog.schemas.own",
    "fair_models.catalog.pgstac_database": "fair_models.catalog.pgstac.database",
    "fair_models.catalog.pgstac_places": "fair_models.catalog.pgstac.places",
    "fair_models.catalog.pgstac_rows": "fair_models.catalog.pgstac.rows",
    "fair_models.catalog.pgstac_served": "fair_models.catalog.pgstac.served",
    "fair_models.catalog.pgstac_setup": "fair_models.catalog.pgstac.setup",
    "fair_models.catalog.pins": "fair_models.catalog.items.pins",
    "fair_models.catalog.processing": "fair_models.catalog.items.model",
    "fair_models.catalog.profiles": "fair_models.catalog.validation",
    "fair_models.catalog.quick_check": "fair_models.json_schema.checker",
    "fair_models.catalog.schema_cache": "fair_models.catalog.schemas.cache",
    "fair_models.catalog.search_space": "fair_models.training.search_space",
    "fair_models.catalog.tombstones": "fair_models.catalog.items.tombstones",
    "fair_models.catalog.transitions": "fair_models.catalog.changes.transitions",
    "fair_models.catalog.versions": "fair_models.catalog.items.versions",
    "fair_models.catalog.violations": "fair_models.json_schema.sentences",
    "fair_models.choosing": "fair_models.choices",
    "fair_models.cli.catalog": "fair_models.cli.commands.catalog",
    "fair_models.cli.choosing": "fair_models.cli.commands.pages",
    "fair_models.cli.contributing": "fair_models.cli.commands.models",
    "fair_models.cli.demo": "fair_models.cli.commands.demo",
    "fair_models.cli.demo_tasks": "fair_models.cli.commands.demo_tasks",
    "fair_models.cli.doctor": "fair_models.cli.commands.doctor",
    "fair_models.cli.judging": "fair_models.cli.commands.work",
    "fair_models.cli.ranking": "fair_models.cli.commands.ranking",
    "fair_models.cli.reading": "fair_models.cli.commands.items",
    "fair_models.cli.runs": "fair_models.cli.commands.runs",
    "fair_models.cli.sample": "fair_models.cli.commands.sample",
    "fair_models.cli.serving": "fair_models.cli.commands.server",
    "fair_models.cli.starting": "fair_models.cli.commands.work",
    "fair_models.cli.versions": "fair_models.cli.commands.versions",
    "fair_models.cli.work": "fair_models.cli.run",
    "fair_models.client.following": "fair_models.client.follower",
    "fair_models.client.reading": "fair_models.client.reader",
    "fair_models.contract.weights": "fair_models.ml_tasks.weights",
    "fair_models.contract.weights_file": "fair_models.ml_tasks.weights_file",
    "fair_models.data.antimeridian": "fair_models.data.images.antimeridian",
    "fair_models.data.bands": "fair_models.data.images.bands",
    "fair_models.data.captioned": "fair_models.data.texts.captioned",
    "fair_models.data.captioned_images": "fair_models.data.texts.captioned_images",
    "fair_models.data.captioned_ingest": "fair_models.data.texts.captioned_ingest",
    "fair_models.data.captioned_loading": "fair_models.data.texts.captioned_samples",
    "fair_models.data.captions": "fair_models.data.texts.captions",
    "fair_models.data.chips": "fair_models.data.images.chips",
    "fair_models.data.coco": "fair_models.data.vectors.coco",
    "fair_models.data.coverage": "fair_models.data.vectors.coverage",
    "fair_models.data.drawing": "fair_models.data.vectors.label_pixels",
    "fair_models.data.fill": "fair_models.data.images.fill",
    "fair_models.data.fill_scan": "fair_models.data.images.fill",
    "fair_models.data.footprint": "fair_models.data.images.footprint",
    "fair_models.data.geojson": "fair_models.data.vectors.geojson",
    "fair_models.data.grid": "fair_models.data.images.grid",
    "fair_models.data.imagery": "fair_models.data.images.files",
    "fair_models.data.labels": "fair_models.data.vectors.labels",
    "fair_models.data.loading": "fair_models.data.chip_samples",
    "fair_models.data.orientation": "fair_models.data.images.orientation",
    "fair_models.data.outlines": "fair_models.data.vectors.outlines",
    "fair_models.data.places": "fair_models.data.images.chip_places",
    "fair_models.data.polygons": "fair_models.data.vectors.polygons",
    "fair_models.data.reference_systems": "fair_models.data.vectors.reference_systems",
    "fair_models.data.resampling": "fair_models.data.images.resampling",
    "fair_models.data.slicing": "fair_models.data.dataset_slice",
    "fair_models.data.synthetic.painting": "fair_models.data.synthetic.picture",
    "fair_models.data.synthetic.planning": "fair_models.data.synthetic.buildings",
    "fair_models.data.tiles": "fair_models.data.images.tiles",
    "fair_models.data.vector_files": "fair_models.data.vectors.files",
    "fair_models.data.zooms": "fair_models.data.images.zooms",
    "fair_models.inference.areas": "fair_models.inference.imagery.areas",
    "fair_models.inference.blocks": "fair_models.inference.imagery.blocks",
    "fair_models.inference.course": "fair_models.inference.windowing.plan",
    "fair_models.inference.cpu": "fair_models.inference.network.session",
    "fair_models.inference.edges": "fair_models.inference.outlines.edges",
    "fair_models.inference.engines": "fair_models.inference.network.engines",
    "fair_models.inference.excluding": "fair_models.inference.outlines.exclusion",
    "fair_models.inference.external_data": "fair_models.inference.network.external_data",
    "fair_models.inference.failures": "fair_models.inference.imagery.failures",
    "fair_models.inference.features": "fair_models.inference.outlines.features",
    "fair_models.inference.findings": "fair_models.inference.windowing.detections",
    "fair_models.inference.georeference": "fair_models.inference.imagery.georeference",
    "fair_models.inference.grids": "fair_models.inference.imagery.grids",
    "fair_models.inference.images": "fair_models.inference.imagery.images",
    "fair_models.inference.legend": "fair_models.inference.writing.legend",
    "fair_models.inference.manifest": "fair_models.inference.shards.manifest",
    "fair_models.inference.memory": "fair_models.inference.streaming",
    "fair_models.inference.mosaics": "fair_models.inference.imagery.vrt",
    "fair_models.inference.openvino_engine": "fair_models.inference.network.openvino",
    "fair_models.inference.outlining": "fair_models.inference.outlines.outliner",
    "fair_models.inference.overlaps": "fair_models.inference.imagery.overlaps",
    "fair_models.inference.pipelining": "fair_models.inference.streaming",
    "fair_models.inference.pixels": "fair_models.inference.imagery.pixels",
    "fair_models.inference.placing": "fair_models.inference.imagery.georeference",
    "fair_models.inference.preview": "fair_models.inference.writing.preview",
    "fair_models.inference.processing": "fair_models.inference.parts",
    "fair_models.inference.regions": "fair_models.inference.outlines.regions",
    "fair_models.inference.remote": "fair_models.inference.imagery.remote",
    "fair_models.inference.right_angles": "fair_models.inference.outlines.right_angles",
    "fair_models.inference.running": "fair_models.inference.windowing.run",
    "fair_models.inference.runs": "fair_models.inference.windowing.masks",
    "fair_models.inference.session": "fair_models.inference.network.session",
    "fair_models.inference.shaping": "fair_models.inference.outlines.vectorise",
    "fair_models.inference.shard_files": "fair_models.inference.shards.files",
    "fair_models.inference.sharding": "fair_models.inference.shards.sharding",
    "fair_models.inference.sidecar": "fair_models.inference.writing.sidecar",
    "fair_models.inference.sources": "fair_models.inference.imagery.sources",
    "fair_models.inference.sources.addresses": "fair_models.inference.imagery.sources.addresses",
    "fair_models.inference.sources.covering": "fair_models.inference.imagery.sources.tiling",
    "fair_models.inference.sources.fetching": "fair_models.inference.imagery.sources.fetcher",
    "fair_models.inference.sources.missing": "fair_models.inference.imagery.sources.missing",
    "fair_models.inference.sources.ogc": "fair_models.inference.imagery.sources.ogc",
    "fair_models.inference.sources.opening": "fair_models.inference.imagery.sources.opening",
    "fair_models.inference.sources.services": "fair_models.inference.imagery.sources.services",
    "fair_models.inference.sources.stac": "fair_models.inference.imagery.sources.stac",
    "fair_models.inference.sources.tiling": "fair_models.inference.imagery.sources.tiling",
    "fair_models.inference.strips": "fair_models.inference.windowing.plan",
    "fair_models.inference.suppression": "fair_models.inference.outlines.suppression",
    "fair_models.inference.texts": "fair_models.inference.network.texts",
    "fair_models.inference.vectorise": "fair_models.inference.outlines.vectorise",
    "fair_models.inference.working": "fair_models.inference.windowing.run",
    "fair_models.inference.writing.geojson": "fair_models.inference.writing.layers",
    "fair_models.inference.writing.rows": "fair_models.inference.writing.geoparquet",
    "fair_models.publishing.cleaning": "fair_models.publishing.cleanup",
    "fair_models.publishing.code_hosts": "fair_models.publishing.register.code_hosts",
    "fair_models.publishing.collecting": "fair_models.publishing.cleanup",
    "fair_models.publishing.comparing": "fair_models.publishing.comparison.compare",
    "fair_models.publishing.comparison_report": "fair_models.reports.comparison_report",
    "fair_models.publishing.comparison_tables": "fair_models.reports.comparison_tables",
    "fair_models.publishing.contenders": "fair_models.publishing.comparison.contenders",
    "fair_models.publishing.curve_drawing": "fair_models.reports.curves",
    "fair_models.publishing.fetching": "fair_models.publishing.register.downloads",
    "fair_models.publishing.finished_code": "fair_models.publishing.register.finished_code",
    "fair_models.publishing.finished_items": "fair_models.publishing.register.finished_items",
    "fair_models.publishing.finished_templates": "fair_models.publishing.register.finished_templates",
    "fair_models.publishing.gates": "fair_models.publishing.gate",
    "fair_models.publishing.judging": "fair_models.publishing.candidate",
    "fair_models.publishing.following": "fair_models.publishing.zenml_stages",
    "fair_models.publishing.item_documents": "fair_models.publishing.register.item_documents",
    "fair_models.publishing.pinning": "fair_models.publishing.pins",
    "fair_models.publishing.storing": "fair_models.publishing.commit",
    "fair_models.publishing.template_files": "fair_models.publishing.register.template_files",
    "fair_models.store.asking": "fair_models.store.web.policy",
    "fair_models.store.connecting": "fair_models.store.web.connections",
    "fair_models.store.download": "fair_models.store.web.download",
    "fair_models.store.hrefs": "fair_models.store.locations",
    "fair_models.store.manners": "fair_models.store.web.policy",
    "fair_models.store.ranges": "fair_models.store.web.ranges",
    "fair_models.store.s3_access": "fair_models.store.s3.reading",
    "fair_models.store.s3_client": "fair_models.store.s3.client",
    "fair_models.store.s3_place": "fair_models.store.s3.place",
    "fair_models.store.s3_reading": "fair_models.store.s3.reading",
    "fair_models.store.s3_writing": "fair_models.store.s3.writing",
    "fair_models.store.tile_cache": "fair_models.store.web.tile_cache",
}
"""The name of today by the former one."""


class FormerNames(MetaPathFinder):
    """Finds modules by their former names."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module of today under its former name; None for every other name."""
        current = MOVED.get(fullname)
        return None if current is None else ModuleSpec(fullname, _Moved(current))


class _Moved(Loader):
    """Hands out the module of today, as it is."""

    def __init__(self, current: str) -> None:
        self.current = current

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.current)
        self._spec = module.__spec__  # the import system is about to overwrite it
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec


def install() -> None:
    """Have former names found in this process; again is no difference."""
    if not any(isinstance(finder, FormerNames) for finder in sys.meta_path):
        sys.meta_path.insert(0, FormerNames())  # first: a package that moved holds modules that moved
