"""An export that fails is told in few words, and kept whole."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from torch import nn

from fair_models.contract.files.network_file import export_network
from fair_models.errors import InvalidContribution


class Nothing(BaseModel):
    """No parameters."""


class Stubborn:
    """A pipeline whose export raises what exporters raise: hundreds of lines."""

    def export(self, network: nn.Module, path: Path, params: BaseModel) -> None:
        try:
            raise ValueError("data-dependent size\n" + "  at node\n" * 300)
        except ValueError as error:
            raise RuntimeError("\n\nFailed to export " + "x" * 5000 + "\n" * 300) from error


def test_an_export_that_fails_is_told_in_three_lines_and_kept_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path))
    pipeline: Any = Stubborn()
    with pytest.raises(InvalidContribution) as refused:
        export_network("roofs", pipeline, nn.Identity(), tmp_path / "model.onnx", Nothing(), 3)
    (reason,) = refused.value.reasons
    first, second, third = reason.splitlines()
    assert first.startswith("export failed: RuntimeError: Failed to export xxx")
    assert second == "because of ValueError: data-dependent size"
    assert max(map(len, (first, second))) < 300
    (kept,) = (tmp_path / "errors").iterdir()
    assert str(kept) in third
    text = kept.read_text()
    assert text.count("  at node\n") == 300
    assert "x" * 5000 in text
