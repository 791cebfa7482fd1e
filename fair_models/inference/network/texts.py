"""A text encoder that is ready to run: numbers of words in, embeddings out. ONNX Runtime opens it here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from fair_models.errors import Invalid
from fair_models.inference.network.session import checked_file, not_onnx, options
from fair_models.types import Array

TextEncoder = Callable[[Array], Array]
"""From int64 of shape (n, length) to float32 of shape (n, d)."""


def open_texts(path: Path, threads: int = 1) -> TextEncoder:
    """Open the ONNX file of a text encoder on the CPU.

    Args:
        path: The file: one int64 input of shape (batch, length), one output of shape (batch, d).
        threads: CPU threads; a sentence is too little work for more.

    Raises:
        NotFound: There is no such file.
        Invalid: The file is no ONNX of a text encoder, or has weights in other files.
    """
    import onnxruntime

    try:
        engine = onnxruntime.InferenceSession(
            str(checked_file(path)), options(threads), providers=["CPUExecutionProvider"]
        )
    except Invalid:
        raise
    except Exception as error:  # ONNX Runtime's errors have no base of their own
        raise not_onnx(path, error) from error
    inputs = engine.get_inputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(int64)" or len(inputs[0].shape) != 2:
        raise Invalid(
            f"{path} is no text encoder: it takes "
            f"{', '.join(f'{each.type} of {each.shape}' for each in inputs)} instead of one int64 input of "
            "shape (batch, length). Export it again and train the model anew"
        )
    name = inputs[0].name

    def encode(tokens: Array) -> Array:
        values = engine.run(None, {name: np.ascontiguousarray(tokens, dtype=np.int64)})
        return np.asarray(values[0], dtype=np.float32)

    return encode
