"""The registry from Python, for notebooks and scripts: read what is published and predict, without a server.

`from fair_models import open_catalog, open_store, read_item, predict`. Nothing heavy is loaded before it is
used, and nothing here changes what is published: work that does is started as a deployment run
(`fair_models.client`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from fair_models.settings import current
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS

if TYPE_CHECKING:
    from pystac import Item

    from fair_models.catalog.protocol import Catalog
    from fair_models.inference.prediction import PredictionResult
    from fair_models.store.protocol import Store


def open_catalog(place: str = "") -> Catalog:
    """The catalogue of published models and datasets.

    Args:
        place: A folder, or postgresql://user:password@host/name. Default: the one that the settings name
            (FAIR_CATALOG, FAIR_HOME).

    Raises:
        Invalid: It is no place of a catalogue, or what it needs is not installed.
    """
    from pydantic import SecretStr

    from fair_models.catalog import opening

    settings = current()
    return opening.open_at(SecretStr(place), settings) if place else opening.open_catalog(settings)


def open_store() -> Store:
    """The files that items name, as the settings say (FAIR_STORE, FAIR_HOME)."""
    from fair_models.store import opening

    return opening.open_store(current())


def read_item(reference: str, catalog: Catalog | None = None) -> Item:
    """The item of a model or dataset.

    Args:
        reference: A name, which means its current version ("my-roofs"), an exact id ("my-roofs-v2"), or
            either after its collection ("datasets/my-area").
        catalog: Where to look. Default: the catalogue of the settings.

    Raises:
        NotFound: There is none; names the nearest.
        Conflict: Several have the name; names them all.
    """
    from fair_models.catalog.items import versions

    where = open_catalog() if catalog is None else catalog
    return versions.resolve(where, [LOCAL_MODELS, BASE_MODELS, DATASETS], reference)


def predict(
    model: str,
    imagery: str | Path,
    output: str | Path | None = None,
    *,
    catalog: Catalog | None = None,
    **options: Any,
) -> PredictionResult:
    """Predict over imagery in this process.

    Args:
        model: A local or base model: a name or an exact id.
        imagery: Folder of chips, georeferenced image, or an address, as `fair-models predict` takes it.
        output: Folder for the results, new or empty. Default: one under FAIR_HOME.
        catalog: Where the model is published. Default: the catalogue of the settings.
        **options: Further fields of `fair_models.params.PredictParams`, such as area, zoom, formats.

    Returns:
        Where the results lie (`folder`), counts, and the STAC item of the prediction (`item`).

    Raises:
        ValidationError: An option that does not exist or is out of its bounds (pydantic's).
        Invalid: Model, imagery or parameters do not fit; every reason is named.
        NotFound: There is no such model or imagery.
        Conflict: The output folder holds something.
    """
    from fair_models.catalog import names
    from fair_models.catalog.items import versions
    from fair_models.contract.plans.prediction import plan_prediction
    from fair_models.inference import prediction
    from fair_models.params import PredictParams

    folder = None if output is None else str(output)
    params = PredictParams(model=model, imagery=str(imagery), output=folder, **options)
    item = versions.resolve(open_catalog() if catalog is None else catalog, names.MODELS, model)
    request = plan_prediction(item, params, open_store(), current().predictions_folder)
    return prediction.predict(request)
