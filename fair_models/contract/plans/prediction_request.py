"""What stands against a prediction that can be told from the request and the model's item alone."""

from __future__ import annotations

from pathlib import Path

from fair_models.catalog.items import hyperparameters
from fair_models.catalog.items.hyperparameters import Values
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.schemas import keywords
from fair_models.data.vectors import polygons
from fair_models.data.vectors.osm import label_services
from fair_models.errors import Invalid, InvalidFeatures, InvalidHyperparameters, InvalidLabels, NotFound
from fair_models.imagery_rules import ImageryRules
from fair_models.inference.imagery import areas
from fair_models.inference.imagery.areas import Area
from fair_models.inference.imagery.sources.addresses import TileAddress
from fair_models.inference.imagery.sources.source import ImagerySource, parse_source
from fair_models.params import PredictParams
from fair_models.store import locations
from fair_models.store.locations import LocalPath


def settle(model: ModelItem, params: PredictParams) -> Values:
    """All hyperparameters of a prediction.

    Args:
        model: The exact item.
        params: What was asked for.

    Raises:
        Invalid: The model makes no predictions of this kind.
        InvalidHyperparameters: Parameters that the model does not allow, or that are not of inference.
    """
    if keywords.SEARCH in model.tasks:
        raise Invalid(
            f"{model.id} compares images and texts and finds nothing on a map. Ask it with: fair-models rank"
        )
    values = hyperparameters.resolve(model.item, params.parameters)
    wrong = [key for key in params.parameters if not key.startswith(f"{hyperparameters.INFERENCE}.")]
    if wrong:  # an override that would change nothing is a mistake that somebody should hear of
        reasons = [f"{key} is not of inference; a prediction does not use it" for key in wrong]
        raise InvalidHyperparameters(model.id, reasons)
    return values


def area_of(params: PredictParams) -> Area | None:
    """The area that was asked for. Raises what `areas.read` raises."""
    return areas.read(params.area) if params.area is not None else None


def imagery_of(params: PredictParams) -> ImagerySource:
    """The imagery that was asked for. Raises what `parse_source` raises."""
    return parse_source(params.imagery)


def rules_of(model: ModelItem, params: PredictParams) -> ImageryRules:
    """By which rules imagery is read: as it was asked for, else as the model learnt it."""
    rules = params.imagery_rules or model.imagery_rules
    return rules if params.fill is None else rules.model_copy(update={"fill": params.fill})


def look_at_files(model: ModelItem, params: PredictParams, area: Area | None) -> None:
    """See that the files are there which a request names, and fit each other as far as their headers tell.

    Chips of a folder are not opened, and nothing is asked of other machines.

    Raises:
        NotFound: Imagery or existing features are not there.
        Invalid: The imagery cannot be used, or does not fit area, zoom or model.
    """
    _look_at_existing(params)
    imagery = imagery_of(params)
    if isinstance(imagery, TileAddress):
        _look_at_tiles(imagery, area)
        return
    if not isinstance(imagery.location, LocalPath):
        return  # whoever opens it asks for it
    from fair_models.inference.imagery.sources.opening import open_source

    path = imagery.location.path
    if not path.is_dir() and not _is_json(path):  # which may name addresses
        with open_source(imagery, model.input, area, params.zoom, rules=rules_of(model, params)):
            pass


def _look_at_existing(params: PredictParams) -> None:
    """See that existing features can be had, as far as their first bytes tell. No service is asked."""
    if params.exclude is None:
        return
    if locations.is_web(params.exclude):
        try:
            label_services.require(params.exclude)
        except Invalid as error:
            raise Invalid(f"exclude: {error}") from error
        return
    path = locations.local_path(params.exclude)
    if not path.is_file():
        raise NotFound(f"There is no file {params.exclude} with existing features. Name one, or leave it out")
    try:
        polygons.look(path)
    except InvalidLabels as error:
        raise InvalidFeatures(str(path), error.reasons) from error


def _look_at_tiles(tiles: TileAddress, area: Area | None) -> None:
    """See that a service of tiles may be asked, and gets its area. Nothing is asked for."""
    from fair_models.inference.imagery.sources import services

    service = services.from_template(tiles) if tiles.kind == "template" else None
    if area is None:
        name = service.name if service else locations.shown(tiles.href)
        raise Invalid(f"Imagery {name} is a service of tiles: give the area (west,south,east,north)")


def _is_json(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{"
