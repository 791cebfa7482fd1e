"""Writes a fitted network as ONNX and compares it with torch. Needs torch and onnx."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from fair_models.catalog.items.model import ItemInput
from fair_models.contract.files import extras
from fair_models.contract.files.network_file import export_network
from fair_models.contract.verification import export_check
from fair_models.data.chip_samples import LoadedSamples
from fair_models.ml_tasks.segmentation.instances import InstanceRule
from fair_models.training.config.run_config import InputSpec, RunConfig
from fair_models.training.phases import agreement
from fair_models.training.phases.agreement import ObjectRule, Quick
from fair_models.training.phases.calibration import inference_values
from fair_models.training.phases.fit import repeatable, restore, thread_count
from fair_models.training.phases.model_code import ModelCode

_OF_OBJECTS = ("marker_threshold", "marker_reach_m", "min_area_m2")
"""Inference parameters that say how objects are made, and which count."""


def export(config: RunConfig, code: ModelCode, state: bytes) -> bytes:
    """The network as ONNX, after it has given the same as torch.

    Raises:
        InvalidContribution: It could not be written, or ONNX and torch differ.
    """
    with tempfile.TemporaryDirectory(prefix="fair-onnx-") as folder, repeatable(config):
        network = restore(config, code, state)
        path = Path(folder) / "model.onnx"
        export_network(config.model_name, code.pipeline, network, path, code.params, config.input.bands)
        export_check.check(path, network, code.processing, _input(config.input))
        return path.read_bytes()


def quicken(
    config: RunConfig,
    code: ModelCode,
    onnx: bytes,
    samples: LoadedSamples,
    calibrated: Mapping[str, float] | None = None,
) -> Quick:
    """What runs quicker than the exported network and agrees with it, and how well.

    Args:
        config: The run.
        code: The contribution.
        onnx: What `export` gave.
        samples: Training chips give the ranges of an 8-bit network, held-out chips the metrics.
        calibrated: Inference parameters by full key that the training set; they go over those of the config.
    """
    rule = _object_rule(config, calibrated or {})
    with tempfile.TemporaryDirectory(prefix="fair-quick-") as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(onnx)
        return agreement.quicken(path, samples, code.processing, thread_count(config), rule)


def _object_rule(config: RunConfig, calibrated: Mapping[str, float]) -> ObjectRule:
    """How predictions of the version will make objects: by its inference parameters."""
    values = inference_values(config, calibrated)
    said = {name: float(values[name]) for name in _OF_OBJECTS if name in values}
    threshold = values.get("confidence_threshold")
    return ObjectRule(
        InstanceRule(**said, things=config.things, pixel_m=config.input.gsd_m),
        None if threshold is None else float(threshold),
    )


def extra_assets(
    config: RunConfig, code: ModelCode, state: bytes, samples: LoadedSamples
) -> dict[str, bytes]:
    """What the contribution makes of the fitted network and all samples besides, by file name.

    Raises:
        InvalidContribution: It failed, or gives no files.
    """
    if not extras.wanted(code.pipeline):
        return {}
    with repeatable(config):
        network = restore(config, code, state)
        everything = samples.all
        return extras.make(
            config.base_model, code.pipeline, network, everything, code.processing, code.params
        )


def _input(spec: InputSpec) -> ItemInput:
    return ItemInput(
        bands=spec.bands,
        size_px=spec.size_px,
        gsd_m=spec.gsd_m,
        resampling=spec.resampling,
        band_names=tuple(spec.band_names),
    )
