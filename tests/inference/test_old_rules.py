"""Models and predictions from before imagery had rules give what they gave, byte for byte."""

from pathlib import Path

import numpy as np
import yaml
from rasterio.enums import ColorInterp

from fair_models.imagery_rules import OLD
from fair_models.inference.network.session import open_session
from fair_models.inference.prediction import CONFIG, predict
from fair_models.inference.repeating import settle
from fair_models.params import RepeatParams
from tests.data.layouts import TILE, geotiff
from tests.inference.tiny import blobs, request_for, write_network

FILES = ["predictions.geojson", "preview.png", CONFIG]


def test_a_prediction_whose_config_names_no_rules_is_repeated_with_bands_by_position_and_fill(
    tmp_path: Path,
) -> None:
    """As plain red, green and blue these pixels are what the old rules made of the odd file."""
    pixels = blobs(256, 256)
    pixels[0] //= 2
    pixels[:, :60, :60] = 255
    folders = {}
    for name, meanings in (("plain", ("red", "green", "blue")), ("odd", ("blue", "green", "red"))):
        folders[name] = tmp_path / name
        folders[name].mkdir()
        path = folders[name] / f"{TILE.name}.tif"
        geotiff(path, pixels, *(ColorInterp[each] for each in meanings), photometric="minisblack")
    session = open_session(write_network(tmp_path / "model.onnx"))
    formats = ["geojson", "preview"]
    kept = OLD.model_copy(update={"bands": "interpretation"})

    def predicted(imagery: str, output: str, **changes: object) -> dict[str, bytes]:
        out = tmp_path / output
        predict(request_for(folders[imagery], out, session, formats=formats, **changes))
        return {name: (out / name).read_bytes() for name in FILES}

    before = predicted("odd", "before", rules=OLD)
    assert "imagery_rules" not in yaml.safe_load(before[CONFIG])
    as_it_was = predicted("plain", "as-it-was", rules=kept)
    assert before["predictions.geojson"] == as_it_was["predictions.geojson"]
    now = predicted("odd", "now")
    assert now["predictions.geojson"] != before["predictions.geojson"]

    asked, original = settle(
        RepeatParams(prediction=str(tmp_path / "before"), output=str(tmp_path / "again"))
    )
    assert asked.imagery_rules is not None
    again = predict(
        request_for(
            folders["odd"],
            tmp_path / "again",
            session,
            formats=formats,
            rules=asked.imagery_rules,
            original=original,
        )
    )
    assert again.same
    assert np.all([(again.folder / name).read_bytes() == before[name] for name in FILES])
