"""Contributions that start from weights on the web: what is loaded, and what is refused before that."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fair_models import licences, settings
from fair_models.contract import checks, contribution, initial
from fair_models.contract.contribution import Contribution
from fair_models.errors import InvalidContribution, Unavailable
from fair_models.ml_tasks import weights
from fair_models.store.digests import checksum_file
from models.resnet34_unet.tests import layout
from tests.contract import narrow
from tests.store.web_server import WebServer

PROJECT = Path(__file__).resolve().parents[2]
FILE = "resnet34.pth"


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    """It serves the state dict of a narrow ResNet-34."""
    monkeypatch.setenv("FAIR_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FAIR_ALLOWED_HOSTS", '["127.0.0.1"]')
    folder = tmp_path / "web"
    folder.mkdir()
    torch.save(layout.state(8), folder / FILE)
    with WebServer(folder).running() as running:
        yield running


@pytest.fixture
def folder(server: WebServer, tmp_path: Path) -> Path:
    """A contribution that starts from what the server has."""
    made = narrow.copy(PROJECT / "models" / "resnet34_unet", tmp_path)
    _say(made, href=server.url(FILE), **{"file:checksum": checksum_file(server.folder / FILE)})
    return made


def _say(folder: Path, **asset: Any) -> None:
    template = narrow.item(folder)
    template["assets"]["checkpoint"] |= asset
    narrow.write_item(folder, template)


def _serve(folder: Path, server: WebServer, state: dict[str, torch.Tensor]) -> None:
    torch.save(state, server.folder / FILE)
    _say(folder, **{"file:checksum": checksum_file(server.folder / FILE)})


def _settled(folder: Path, to: Path, **options: bool) -> Contribution:
    return initial.settle(contribution.read(folder), to / "initial", **options)


def test_published_weights_become_the_initial_weights_of_the_whole_network(
    folder: Path, tmp_path: Path
) -> None:
    made = _settled(folder, tmp_path)

    tensors, published = weights.read(made.weights), layout.state(8)
    assert torch.equal(tensors["encoder.layer3.5.conv2.weight"], published["layer3.5.conv2.weight"])
    assert "head.weight" in tensors
    assert not any("fc" in name for name in tensors)


def test_the_item_says_what_the_weights_were_made_of(folder: Path, tmp_path: Path) -> None:
    said = narrow.item(folder)["assets"]["checkpoint"]
    made = _settled(folder, tmp_path)

    asset = made.template["assets"]["checkpoint"]
    assert asset["file:checksum"] == checksum_file(made.weights)
    assert asset["fair:published_weights"] == {
        "href": said["href"],
        "file:checksum": said["file:checksum"],
        "license": "BSD-3-Clause",
    }
    assert made.template["properties"]["mlm:pretrained"] is True
    assert made.template["properties"]["mlm:pretrained_source"] == said["href"]


def test_the_same_published_weights_give_the_same_file_and_are_downloaded_once(
    folder: Path, tmp_path: Path, server: WebServer
) -> None:
    first, second = _settled(folder, tmp_path / "a"), _settled(folder, tmp_path / "b")
    assert first.weights.read_bytes() == second.weights.read_bytes()
    assert server.asked == [f"/{FILE}"]


def test_a_file_that_was_put_into_the_cache_by_hand_needs_no_network(
    folder: Path, tmp_path: Path, server: WebServer
) -> None:
    _say(folder, href=server.url("gone.pth"))
    checksum = checksum_file(server.folder / FILE)
    place = settings.current().cache_folder / "published" / f"{checksum.removeprefix('1220')}.pth"
    place.parent.mkdir(parents=True)
    place.write_bytes((server.folder / FILE).read_bytes())

    assert _settled(folder, tmp_path).weights.is_file()
    assert server.asked == []


def test_without_network_the_message_says_what_can_be_done(folder: Path, tmp_path: Path) -> None:
    _say(folder, href="http://127.0.0.1:9/resnet34.pth")
    with pytest.raises(Unavailable) as told:
        _settled(folder, tmp_path)
    assert "cannot be had" in str(told.value)
    assert "put it at" in str(told.value)
    assert "--random-start" in str(told.value)


def test_a_random_start_asks_nobody_and_the_item_says_so(
    folder: Path, tmp_path: Path, server: WebServer
) -> None:
    made = _settled(folder, tmp_path, random_start=True)

    properties = made.template["properties"]
    assert (properties["mlm:pretrained"], properties["mlm:pretrained_source"]) == (False, None)
    assert "fair:published_weights" not in made.template["assets"]["checkpoint"]
    assert weights.read(made.weights)["encoder.conv1.weight"].shape == (8, 3, 7, 7)
    assert server.asked == []


def test_other_bytes_than_those_of_the_digest_are_refused(
    folder: Path, tmp_path: Path, server: WebServer
) -> None:
    torch.save(layout.state(8, seed=6), server.folder / FILE)
    with pytest.raises(InvalidContribution, match="holds other bytes than its checksum says"):
        _settled(folder, tmp_path)


def test_a_file_that_is_larger_than_allowed_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIR_LARGEST_DOWNLOAD_BYTES", "1000")
    with pytest.raises(InvalidContribution, match="more than 1000 bytes"):
        _settled(folder, tmp_path)


def test_weights_of_another_network_are_told_with_their_names(
    folder: Path, tmp_path: Path, server: WebServer
) -> None:
    _serve(folder, server, layout.state(12))
    with pytest.raises(InvalidContribution, match=r"conv1.weight has the shape \(12, 3, 7, 7\)"):
        _settled(folder, tmp_path)


def test_weights_of_a_whole_network_with_other_classes_are_refused(
    folder: Path, tmp_path: Path, server: WebServer
) -> None:
    whole = dict(weights.read(_settled(folder, tmp_path / "own").weights))
    whole |= {"head.weight": torch.zeros(21, 2, 3, 3), "head.bias": torch.zeros(21)}
    _serve(folder, server, whole)
    text = (folder / "pipeline.py").read_text(encoding="utf-8")
    (folder / "pipeline.py").write_text(text.replace("def adopt(", "def adopt_no_more("), encoding="utf-8")

    with pytest.raises(InvalidContribution, match=r"head.weight has the shape \(21, .*network takes \(4, "):
        _settled(folder, tmp_path)


@pytest.mark.parametrize(
    ("asset", "said"),
    [
        ({"license": "CC-BY-NC-4.0"}, "CC-BY-NC-4.0 forbids commercial use"),
        ({"license": "CC-BY-ND-4.0"}, "CC-BY-ND-4.0 forbids derivatives"),
        ({"license": "other"}, "nobody can tell what it allows"),
        ({"license": "LicenseRef-ours"}, "nobody can tell what it allows"),
        ({"license": None}, "their licence is not said"),
        ({"license": "Apache 2"}, "no SPDX identifier"),
        ({"file:checksum": None}, "are not pinned"),
        ({"file:checksum": "1220b627a593"}, "are not pinned"),
        ({"href": "https://example.org/weights.pkl", "license": "MIT"}, "may hold code"),
        ({"href": "http://example.org/weights.pth"}, "is refused"),
    ],
)
def test_what_may_not_be_used_is_told_at_registration_and_not_downloaded(
    folder: Path, tmp_path: Path, server: WebServer, asset: dict[str, Any], said: str
) -> None:
    _say(folder, **asset)
    template = narrow.item(folder)
    held = template["assets"]["checkpoint"]
    template["assets"]["checkpoint"] = {key: value for key, value in held.items() if value is not None}
    narrow.write_item(folder, template)

    with pytest.raises(InvalidContribution) as told:
        _settled(folder, tmp_path)

    assert said in str(told.value)
    assert server.asked == []


def test_the_checks_before_registration_tell_the_licence_beside_all_else(folder: Path) -> None:
    _say(folder, license="CC-BY-NC-SA-4.0")
    (folder / "Dockerfile").unlink()
    text = "\n".join(checks.problems(folder))
    assert "CC-BY-NC-SA-4.0 forbids commercial use" in text
    assert "Dockerfile is missing" in text


@pytest.mark.parametrize("name", ["BSD-3-Clause", "MIT", "CC-BY-4.0", "CC-BY-SA-4.0", "Apache-2.0 OR MIT"])
def test_licences_that_let_everyone_train_further_are_taken(name: str) -> None:
    assert licences.forbidden(name) is None


@pytest.mark.parametrize("name", ["PolyForm-Noncommercial-1.0.0", "CC-BY-NC-ND-3.0", "MIT AND CC-BY-NC-4.0"])
def test_licences_that_forbid_it_are_found_in_expressions_too(name: str) -> None:
    assert licences.forbidden(name)
