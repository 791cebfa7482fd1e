"""How what is typed becomes parameters."""

import math
from pathlib import Path
from typing import Literal

import pytest
import typer
from pydantic import Field
from typer.testing import CliRunner

from fair_models.catalog.changes import transitions
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.cli.commands.work import metric_of
from fair_models.cli.options import Asked, How, absolute, assignments, build, takes, text_of
from fair_models.errors import Invalid, InvalidParameters
from fair_models.params import AuditParams, FinetuneParams, Gate, Location, Params, PredictParams
from tests.catalog.item_factory import base_item, dataset_item, local_item


def test_values_are_numbers_truths_or_text() -> None:
    texts = ["a.epochs=20", "a.rate=1e-3", "a.augment=false", "a.precision=bf16", "a.note=x=y", 'a.word="7"']
    assert assignments(texts, "--set") == {
        "a.epochs": 20,
        "a.rate": 0.001,
        "a.augment": False,
        "a.precision": "bf16",
        "a.note": "x=y",
        "a.word": "7",
    }


@pytest.mark.parametrize("text", ["epochs", "=20", ""])
def test_a_value_needs_a_name(text: str) -> None:
    with pytest.raises(Invalid, match="NAME=VALUE"):
        assignments([text], "--set")


def test_paths_are_made_absolute_and_addresses_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("chips") == str(tmp_path / "chips")
    assert absolute("../other") == str(tmp_path.parent / "other")
    assert absolute("s3://bucket/chips") == "s3://bucket/chips"
    assert absolute(None) is None


def test_options_that_were_not_given_are_not_sent() -> None:
    values = {"model": "some-model", "imagery": "/x", "output": None, "parameters": {}, "formats": None}
    params = build(PredictParams, "predict", values)
    assert params.model_dump(exclude_unset=True) == {"model": "some-model", "imagery": "/x"}


@pytest.mark.parametrize(
    ("given", "reasons"),
    [
        ({}, ["imagery: is missing (Folder", "model: is missing (A local or base model"]),
        ({"imagery": "/x"}, ["model: is missing (A local or base model"]),
        ({"model": "some-model", "imagery": "/x"}, []),
    ],
)
def test_a_prediction_needs_a_model_and_imagery(given: dict[str, str], reasons: list[str]) -> None:
    if not reasons:
        assert build(PredictParams, "predict", given).model == given["model"]
        return
    with pytest.raises(InvalidParameters) as raised:
        build(PredictParams, "predict", given)
    found = sorted(raised.value.reasons)
    assert all(text.startswith(start) for text, start in zip(found, reasons, strict=True))


def test_a_name_of_another_form_is_told_by_what_the_parameter_is() -> None:
    with pytest.raises(InvalidParameters) as raised:
        build(AuditParams, "audit", {"thresholds": {"building iou": {"least": 0.5}}})
    [told] = raised.value.reasons
    assert told.startswith(
        "thresholds.building iou: 'building iou' does not match what is allowed: Minimum and"
    )


def test_a_value_of_no_possible_type_is_one_reason() -> None:
    values = {
        "base_model": "b-model",
        "dataset": "d-data",
        "model_name": "m-name",
        "overrides": {"a": math.nan},
    }
    with pytest.raises(InvalidParameters) as raised:
        build(FinetuneParams, "finetune", {**values, "overrides": {"a": math.nan}})
    assert len(raised.value.reasons) == 1
    assert raised.value.reasons[0].startswith("overrides.a: nan")


class Roof(Params):
    """A request with a field of each kind."""

    place: Location = Field(description="Folder.")
    colours: list[Literal["red", "grey"]] = Field(default=[], description="Colours. Default: all.")
    flat: bool = Field(False, description="Only flat roofs. Default: false.")
    old: bool = Field(True, description="Old roofs too. Default: true.")
    storeys: int | None = Field(None, ge=1, le=9, description="Storeys, 1 to 9. Default: any.")
    overrides: dict[str, float] = Field(default={}, description='Values, for example {"a.b": 2}.')
    gate: Gate = Field(default=Gate(), description="The gate.")


def test_options_are_made_of_each_kind_of_field(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Roof] = []

    @takes(Roof, arguments=["place"], names={"overrides": ["--set"]})
    def roofs(given: Asked[Roof], how: How, extra: str = "none") -> None:
        """Find roofs."""
        asked.append(given.params(storeys=3))
        assert (how.wait, how.again, extra) == (False, True, "more")

    app = typer.Typer()
    app.command()(roofs.callback("roofs"))
    typed = ["here", "--colour", "red", "--colour", "grey", "--flat", "--no-old", "--set", "a.b=2.5"]
    typed += ["--not-worse-by", "0.1", "--extra", "more", "--no-wait", "--again"]
    monkeypatch.chdir("/")

    done = CliRunner().invoke(app, typed)
    shown = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"}).output

    assert done.exit_code == 0, done.output
    assert asked == [
        Roof(
            place="/here",
            colours=["red", "grey"],
            flat=True,
            old=False,
            storeys=3,
            overrides={"a.b": 2.5},
            gate=Gate(not_worse_by=0.1),
        )
    ]
    for words in (
        "Find roofs",
        "Storeys, 1 to 9. Default: any.",
        "for example --set a.b=2",
        "--idempotency-key",
    ):
        assert words in shown


def test_the_command_line_says_what_the_form_says() -> None:
    assert text_of(FinetuneParams, "seed") == FinetuneParams.model_fields["seed"].description


def test_a_minimum_without_a_metric_is_told_one_of_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path))
    catalog = LocalCatalog(tmp_path / "catalog")
    spec = [{"key": "fair:map_50", "name": "mAP", "description": "mAP.", "higher_is_better": True}]
    item = local_item()
    item.properties |= {"fair:metrics_spec": spec, "fair:map_50": 0.6}
    item.properties["fair:baseline"]["fair:map_50"] = 0.1
    transitions.publish(catalog, base_item())
    transitions.publish(catalog, dataset_item())
    transitions.publish(catalog, item)

    with pytest.raises(Invalid, match=r"for example --minimum fair:map_50=0\.5"):
        assignments(["0.5"], "--minimum", lambda: f"{metric_of('banepa-roofs')}=0.5")


def test_of_a_model_that_nobody_knows_the_usual_metric_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_HOME", str(tmp_path))
    monkeypatch.delenv("ZENML_STORE_URL", raising=False)
    assert metric_of("nobody") == "fair:building_iou"
