"""What this machine's processor can do."""

from __future__ import annotations

import functools
import platform
from pathlib import Path

_FLAGS = Path("/proc/cpuinfo")


@functools.cache
def sums_bytes_exactly() -> bool:
    """Whether products of 8-bit numbers are summed without overflow (VNNI), or the processor is no x86.

    Without, ONNX Runtime's quick sums of unsigned and signed bytes run full, and the masks would be others
    than those that were measured: https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html.
    Where it cannot be found out the answer is no, which costs time alone.
    """
    if platform.machine().lower() not in {"x86_64", "amd64"}:
        return True
    try:
        return "vnni" in _FLAGS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
