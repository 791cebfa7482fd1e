"""Broken items, and a catalogue whose files anybody may have broken."""

import shutil
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fair_models.catalog import validation
from fair_models.catalog.items import base_models
from fair_models.catalog.local.catalog import LocalCatalog
from fair_models.catalog.protocol import Change
from tests.catalog.item_factory import base_files, base_item, dataset_item, local_item, raw, template
from tests.fuzzing import fuzz, mutated_bytes, mutated_json, only_our_errors

ITEMS = [raw(base_item()), raw(dataset_item()), raw(local_item())]


@given(document=st.one_of([mutated_json(item) for item in ITEMS]))
@fuzz(300)
def test_any_item_is_valid_or_refused_in_words(document: Any) -> None:
    with only_our_errors():
        validation.validate(document)


@given(document=mutated_json(template()))
@fuzz(300)
def test_any_template_becomes_an_item_or_is_refused(document: Any) -> None:
    with only_our_errors():
        completed, _ = base_models.complete(document)
        base_models.build(completed, 1, base_files())


@pytest.fixture(scope="module")
def right(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("catalogue")
    catalog = LocalCatalog(root)
    catalog.commit(Change(put=(base_item(), dataset_item()), remove=(), expect={}))
    return root


def read_all(root: Path) -> None:
    """Everything that a reader asks of a catalogue, from its files alone."""
    catalog = LocalCatalog(root, timeout_s=5)
    catalog.rebuild()
    for collection in ("base-models", "datasets", "local-models"):
        catalog.collection(collection)  # type: ignore[arg-type]
        for item in catalog.search(collection):  # type: ignore[arg-type]
            validation.problems(item.to_dict(include_self_link=False, transform_hrefs=False))


@given(data=st.data())
@fuzz(120)
def test_any_catalogue_is_read_or_told_as_broken(tmp_path: Path, right: Path, data: st.DataObject) -> None:
    root = tmp_path / "catalogue"
    shutil.copytree(right, root, dirs_exist_ok=True)
    files = sorted(root.rglob("*.json"))
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    if data.draw(st.booleans()):
        try:
            path.write_bytes(orjson.dumps(data.draw(mutated_json(orjson.loads(content)))))
        except TypeError:  # whole numbers beyond 64 bit
            return
    else:
        path.write_bytes(data.draw(mutated_bytes(content)))

    with only_our_errors():
        read_all(root)
    shutil.rmtree(root)
