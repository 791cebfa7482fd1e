"""Broken run configs."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from fair_models.training.config.run_config import CodeRef, DataRef, FileRef, InputSpec, RunConfig
from tests.fuzzing import fuzz, mutated_bytes, mutated_json, only_our_errors

FILE = FileRef(href="/data/store/a", checksum="1220" + 64 * "0")
CONFIG = RunConfig(
    model_name="banepa-roofs",
    title="Roofs",
    base_model="roofs-unet-v1",
    dataset="banepa-v1",
    task="semantic-segmentation",
    code=CodeRef(archive=FILE, entrypoint="roofs.pipeline", preprocess="roofs.p:a", postprocess="roofs.p:b"),
    weights=FILE,
    data=DataRef(chips=FILE, labels=FILE, split=FILE),
    input=InputSpec(bands=3, size_px=256, gsd_m=0.3),
    classes=["background", "building"],
    hyperparameters={"training.epochs": 20, "training.rate": 0.001, "training.augment": True},
)
DOCUMENT = yaml.safe_load(CONFIG.to_zenml())


@given(data=mutated_bytes(CONFIG.to_zenml().encode()))
@fuzz(200)
def test_any_text_is_a_run_config_or_told(data: bytes) -> None:
    with only_our_errors():
        RunConfig.from_zenml(data.decode(errors="replace"))


@given(document=mutated_json(DOCUMENT))
@fuzz(200)
def test_any_document_is_a_run_config_or_told(document: Any) -> None:
    with only_our_errors():
        config = RunConfig.from_zenml(yaml.safe_dump(document, allow_unicode=True))
        assert RunConfig.from_zenml(config.to_zenml()) == config


@given(
    title=st.text(min_size=1, max_size=20).filter(lambda text: text.strip() and text.isprintable()),
    value=st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    words=st.text(max_size=20).filter(str.isprintable),
)
@fuzz(150)
def test_what_a_config_says_survives_its_file(title: str, value: Any, words: str) -> None:
    with only_our_errors():
        changes = {"title": title.replace("/", "").replace("\\", "") or "T", "description": words}
        try:
            config = RunConfig.model_validate(
                CONFIG.model_dump() | changes | {"hyperparameters": {"a": value}}
            )
        except ValueError:
            return
        assert RunConfig.from_zenml(config.to_zenml()) == config
