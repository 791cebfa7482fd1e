"""Writes a fitted network as ONNX and compares it with torch. Needs torch and onnx."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fair_models.catalog.model_input import InputFacts
from fair_models.contract import export_check
from fair_models.training.fitting import repeatable, restore
from fair_models.training.model_code import ModelCode
from fair_models.training.run_config import InputSpec, RunConfig


def export(config: RunConfig, code: ModelCode, state: bytes) -> bytes:
    """The network as ONNX, after it has given the same as torch.

    Raises:
        InvalidContribution: ONNX and torch differ.
    """
    with tempfile.TemporaryDirectory(prefix="fair-onnx-") as folder, repeatable(config):
        network = restore(config, code, state)
        path = Path(folder) / "model.onnx"
        code.pipeline.export(network, path, code.params)
        export_check.check(path, network, code.processing, _input_facts(config.input))
        return path.read_bytes()


def _input_facts(spec: InputSpec) -> InputFacts:
    return InputFacts(
        bands=spec.bands,
        size_px=spec.size_px,
        gsd_m=spec.gsd_m,
        resampling=spec.resampling,
        band_names=tuple(spec.band_names),
    )
