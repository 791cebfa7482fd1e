"""Measures a model on a dataset that it may never have met, without training. Needs torch."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pystac import Item

from fair_models.catalog.items import model_classes
from fair_models.catalog.items.versions import split_id
from fair_models.data import chip_samples
from fair_models.data.samples import Samples, joined
from fair_models.errors import FairModelsError, IncompatibleDataset, Invalid, TrainingFailed
from fair_models.ml_tasks.results import Evaluation
from fair_models.params import FinetuneParams, HyperparameterValue
from fair_models.store.protocol import Store
from fair_models.training.config.run_config import RunConfig
from fair_models.training.finetune_plan import plan_run
from fair_models.training.phases import model_code, sample_cache
from fair_models.training.phases.evaluation import evaluate
from fair_models.training.phases.model_code import ModelCode
from fair_models.training.phases.preparation import unlabelled


@dataclass(frozen=True)
class Measuring:
    """A model's network beside the held-out chips of a dataset.

    model, dataset: Exact ids.
    config: What a training that goes on from the model would be: its evaluation is the one that is wanted.
    code: The model's own.
    state: Its weights.
    held_out: The chips as the model sees imagery.
    train: Those of the other side, likewise.
    """

    model: str
    dataset: str
    config: RunConfig
    code: ModelCode
    state: bytes
    held_out: Samples
    train: Samples

    def all(self) -> Evaluation:
        """Measure it on all held-out chips. Raises TrainingFailed."""
        return self._measured(self.held_out)

    def some(self, names: Sequence[str]) -> Evaluation:
        """Measure it on some held-out samples, by their names. Raises TrainingFailed."""
        positions = {name: position for position, name in enumerate(self.held_out.names)}
        return self._measured(self.held_out.select([positions[name] for name in names]))

    def of_chips(self, names: Collection[str]) -> Evaluation | None:
        """Measure it on the samples of some chips of either side, if there are any. Raises TrainingFailed."""
        found = [
            side.select(chosen)
            for side in (self.held_out, self.train)
            if (chosen := chip_samples.of_chips(side.names, names))
        ]
        return self._measured(found[0] if len(found) == 1 else joined(found)) if found else None

    def _measured(self, samples: Samples) -> Evaluation:
        with _told(self.model, self.dataset):
            return evaluate(self.config, self.code, self.state, samples)


def measure(model: Item, dataset: Item, store: Store, cache: Path) -> Evaluation:
    """Measure a model on the held-out chips of a dataset: its weights, by its own code, as it sees imagery.

    Args:
        model: The exact item of a base or local model, with absolute hrefs. What it says of sample size,
            resolution, resampling and classes is how the chips are read.
        dataset: The exact item of a dataset, with absolute hrefs.
        store: Where both have their files.
        cache: Folder for decoded samples.

    Raises:
        IncompatibleDataset: The model does not fit the dataset; lists every reason.
        Invalid: The model has no `evaluate` that could be called, or its code cannot be used here.
        NotFound, Corrupted: A file is gone, or not the one that was registered.
        TrainingFailed: The evaluation raised, or gave what is no measurement.
    """
    return of_item(model, dataset, store, cache).all()


def of_item(model: Item, dataset: Item, store: Store, cache: Path) -> Measuring:
    """Bring the network of a base or local model and the held-out chips of a dataset together.

    Args and raises as those of `measure`.
    """
    config = _config(model, dataset)
    state = store.fetch(config.weights.href, config.weights.checksum).read_bytes()
    return _opened(model.id, dataset.id, config, state, store, cache)


@dataclass(frozen=True)
class Trained:
    """A version that was trained, published or not.

    id: E.g. "banepa-roofs-v3".
    config: The run config of its training.
    values: All hyperparameters that were used, those that the training set itself among them.
    state: Its weights.
    """

    id: str
    config: RunConfig
    values: Mapping[str, HyperparameterValue]
    state: bytes


def of_version(version: Trained, base: Item, dataset: Item, store: Store, cache: Path) -> Measuring:
    """Bring the network of a version that is not published and the held-out chips of a dataset together.

    Args:
        version: What the ledger has of it.
        base: The exact item that it was trained from.
        dataset: The exact item of the dataset to measure it on, which may be another than it learnt from.
        store: Where the files of both items lie.
        cache: Folder for decoded samples.

    Raises:
        As `measure` does.
    """
    trained = version.config
    planned = _config(model_classes.following(base, trained.classes, trained.thing_classes), dataset)
    values = {**trained.hyperparameters, **version.values}
    own = {
        "base_model": version.id,  # errors name it
        "code": trained.code,
        "hyperparameters": values,
        "seed": trained.seed,
    }
    config = planned.model_copy(update=own)
    return _opened(version.id, dataset.id, config, version.state, store, cache)


def _opened(
    model: str, dataset: str, config: RunConfig, state: bytes, store: Store, cache: Path
) -> Measuring:
    if config.new_layers:  # a training would learn them first
        reason = f"its classes are {', '.join(config.classes[1:])}, which the model does not tell apart"
        raise IncompatibleDataset(model, dataset, [reason])
    if ":" in config.code.entrypoint:
        raise Invalid(
            f"{model} has a ZenML pipeline of its own ({config.code.entrypoint}), which offers no "
            "evaluate to call"
        )
    code = model_code.load(config, store)
    loaded = sample_cache.load(config, store, cache)
    held_out = loaded.held_out
    nothing = unlabelled(config.task, "held_out", held_out)
    if nothing:
        raise IncompatibleDataset(model, dataset, [nothing])
    return Measuring(model, dataset, config, code, state, held_out, loaded.train)


@contextmanager
def _told(model: str, dataset: str) -> Iterator[None]:
    """A contribution's code may raise anything: say what was being done."""
    try:
        yield
    except FairModelsError:
        raise
    except Exception as error:
        raise TrainingFailed(
            f"Measuring {model} on {dataset} failed: {type(error).__name__}: {error}"
        ) from error


def _config(model: Item, dataset: Item) -> RunConfig:
    """What a training that goes on from the model would be: its evaluation is the one that is wanted."""
    name, _ = split_id(model.id)
    request = FinetuneParams(base_model=model.id, dataset=dataset.id, model_name=name)
    return plan_run(model, dataset, request, is_trained=False).model_copy(update={"base_model": model.id})
