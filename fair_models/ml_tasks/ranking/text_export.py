"""Writing a text encoder as ONNX, and comparing it with torch. Needs torch, onnx and ONNX Runtime."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from torch import nn

from fair_models.errors import InvalidContribution
from fair_models.inference.network.texts import open_texts
from fair_models.ml_tasks.onnx_export import export_text_onnx
from fair_models.types import Array

OUTPUT = "text_embedding"
"""Name of the ONNX output."""

TOLERANCE = 1e-4
"""Largest difference of a number of the embeddings, which have length 1."""


def export(encoder: nn.Module, tokens: Array) -> bytes:
    """A text encoder as ONNX with a dynamic batch, after it has given the same as torch.

    Args:
        encoder: Takes int64 of shape (n, length), gives float32 of shape (n, d).
        tokens: Examples, int64, shape (n, length); compared are these and as many random ones.

    Raises:
        InvalidContribution: ONNX and torch differ.
    """
    with tempfile.TemporaryDirectory(prefix="fair-text-") as folder:
        path = Path(folder) / "text-encoder.onnx"
        export_text_onnx(encoder, path, OUTPUT, tokens.shape[1])
        random = np.random.default_rng(0).integers(0, max(2, int(tokens.max())), tokens.shape)
        for batch in (tokens, random, tokens[:1]):
            with torch.no_grad():
                wanted = encoder(torch.from_numpy(batch)).numpy()
            difference = float(np.abs(open_texts(path)(batch) - wanted).max())
            if not difference <= TOLERANCE:
                raise InvalidContribution(
                    path.name,
                    [
                        f"its text encoder differs by up to {difference:.2g} between ONNX and torch, "
                        f"allowed is {TOLERANCE:g}; export it in evaluation mode"
                    ],
                )
        return path.read_bytes()
