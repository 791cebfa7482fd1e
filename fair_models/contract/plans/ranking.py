"""Gets a model that ranks images and texts ready: the item says all that is needed."""

from __future__ import annotations

from pystac import Item

from fair_models.catalog.items import assets
from fair_models.catalog.items.model import ModelItem
from fair_models.catalog.schemas import keywords
from fair_models.contract.code import loader
from fair_models.errors import Invalid, NotFound
from fair_models.inference.network.session import open_session
from fair_models.inference.network.texts import open_texts
from fair_models.inference.ranking import Ranker, read_index
from fair_models.store.protocol import Store

TOKENISE = "tokenise"
"""What the function is called that turns texts into numbers, in the module of the pre-processing."""


def open_ranker(item: Item, store: Store, threads: int | None = None) -> Ranker:
    """Fetch the two networks, the index and the code of a model, each compared with its digest.

    Args:
        item: The model's exact item, with absolute hrefs.
        store: Where its files are fetched from.
        threads: CPU threads for images; None for all cores.

    Raises:
        Invalid: The model does not rank, or has no index, as base models, which have no dataset.
        NotFound: A file is missing.
        Corrupted: A file is not what its digest says. Nothing of it was used.
        InvalidContribution: The item's code cannot be used here.
    """
    model = ModelItem(item)
    if keywords.SEARCH not in model.tasks:
        raise Invalid(
            f"{model.id} does {', '.join(model.tasks) or 'no task that it names'} and cannot rank images "
            f"and texts. Choose a model of the task {keywords.SEARCH}, or run it with: fair-models predict"
        )
    try:
        index_ref = model.file(assets.INDEX)
    except NotFound as error:
        raise Invalid(
            f"{model.id} has no index of images to search in. Fine-tune it on a dataset with captions, and "
            "rank with what comes out"
        ) from error
    archive, checksum = model.file(assets.SOURCE_CODE)
    before, after = model.processing
    code = store.fetch(archive, checksum)
    functions = loader.load_processing(code, checksum, before, after)
    tokenise = loader.load_attribute(code, checksum, f"{before.partition(':')[0]}:{TOKENISE}")
    return Ranker(
        images=open_session(store.fetch(*model.file(assets.MODEL)), threads),
        texts=open_texts(store.fetch(*model.file(assets.TEXT_ENCODER))),
        preprocess=functions.preprocess,
        tokenise=tokenise,
        index=read_index(store.fetch(*index_ref)),
    )
