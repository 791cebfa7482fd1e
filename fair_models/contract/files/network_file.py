"""Has a contribution write its network as ONNX, and says in three lines why not. Needs torch and onnx."""

from __future__ import annotations

import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fair_models.errors import FairModelsError, InvalidContribution
from fair_models.settings import current
from fair_models.store.atomic import write_bytes

if TYPE_CHECKING:
    from pydantic import BaseModel
    from torch import nn

    from fair_models.contract.protocol import Pipeline

_LONGEST = 240
"""Characters of a line: exporters name whole graphs in one."""


def export_network(
    name: str, pipeline: Pipeline, network: nn.Module, path: Path, params: BaseModel, bands: int
) -> None:
    """Write a network as ONNX.

    Args:
        name: Of the model, for messages.
        pipeline: The contribution's own.
        network: What is written.
        path: Where to write.
        params: The contribution's parameters.
        bands: Bands of the model's input, as `mlm:input` says them.

    Raises:
        InvalidContribution: It failed; says why in three lines, and which file has all of it.
    """
    from fair_models.ml_tasks import onnx_export

    try:
        with onnx_export.of_bands(bands):
            pipeline.export(network, path, params)
    except FairModelsError:
        raise
    except (Exception, SystemExit) as error:
        raise InvalidContribution(name, [_told(name, error)]) from error


def _told(name: str, error: BaseException) -> str:
    """What failed, what lies behind it, and where the whole text is."""
    cause = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    lines = [f"export failed: {_first_line(error)}"]
    if cause is not error and _first_line(cause) not in lines[0]:
        lines.append(f"because of {_first_line(cause)}")
    return "\n".join(
        [*lines, f"change what ONNX cannot hold in the network or in export; {_kept(name, error)}"]
    )


def _first_line(error: BaseException) -> str:
    text = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"


def _kept(name: str, error: BaseException) -> str:
    """Write the whole text to a file. Where that cannot be written, the log has it."""
    path = current().home / "errors" / f"export-{name}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}.txt"
    try:
        write_bytes(path, "".join(traceback.format_exception(error)).encode())
    except (OSError, FairModelsError):
        return "the whole text could not be kept in a file"
    return f"the whole text lies in {path}"
