"""What a training sets itself, and what an evaluation is told, without ZenML."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from fair_models.data.samples import Samples
from fair_models.errors import TrainingFailed
from fair_models.ml_tasks.results import Evaluation
from fair_models.settings import current
from fair_models.store.opening import open_store
from fair_models.training.phases import calibration, evaluation, model_code, sample_cache
from tests.training.conftest import THRESHOLD


@pytest.fixture(scope="module")
def config(make_config):
    return make_config()


@pytest.fixture(scope="module")
def code(config):
    return model_code.load(config, open_store(current()))


@pytest.fixture(scope="module")
def samples(config):
    return sample_cache.load(config, open_store(current()), current().cache_folder)


@pytest.fixture(scope="module")
def state(config):
    return open_store(current()).fetch(config.weights.href, config.weights.checksum).read_bytes()


def with_functions(code, **functions):
    """The contribution with other functions in its pipeline."""
    pipeline = SimpleNamespace(Params=code.pipeline.Params, build=code.pipeline.build, **functions)
    return replace(code, pipeline=pipeline)


def choosing(**values):
    return lambda network, samples, processing, params: values


def test_what_a_contribution_chooses_is_drawn_into_its_bounds(config, code, state, samples):
    def chosen(value: float) -> dict[str, float]:
        other = with_functions(code, calibrate=choosing(confidence_threshold=value))
        return calibration.calibrate(config, other, state, samples.train)

    assert chosen(0.43) == {THRESHOLD: 0.43}
    assert chosen(0.01) == {THRESHOLD: 0.1}
    assert chosen(7) == {THRESHOLD: 0.9}


def test_it_chooses_on_the_side_that_it_is_given(config, code, state, samples):
    seen: list[Samples] = []
    other = with_functions(code, calibrate=lambda network, samples, *_: seen.append(samples) or {})

    assert calibration.calibrate(config, other, state, samples.train) == {}
    assert seen[0].names == samples.train.names
    assert not set(samples.train.names) & set(samples.held_out.names)


def test_what_was_asked_for_and_what_the_item_lacks_is_not_set(config, code, state, samples):
    other = with_functions(code, calibrate=choosing(confidence_threshold=0.4, loudness=0.2))
    asked = config.model_copy(update={"calibrated": {}})

    assert calibration.calibrate(asked, other, state, samples.train) == {}
    assert calibration.calibrate(config, other, state, samples.train) == {THRESHOLD: 0.4}


def test_a_contribution_without_calibrate_sets_nothing(config, code, state, samples):
    assert calibration.calibrate(config, with_functions(code), state, samples.train) == {}


def test_a_threshold_that_is_no_number_fails_the_run(config, code, state, samples):
    other = with_functions(code, calibrate=choosing(confidence_threshold=float("nan")))

    with pytest.raises(TrainingFailed, match=r"no finite number for inference\.confidence_threshold"):
        calibration.calibrate(config, other, state, samples.train)


def test_an_evaluation_that_wants_the_inference_parameters_gets_those_that_were_set(
    config, code, state, samples
):
    told = []

    def evaluate(network, samples, processing, params, inference=None):
        told.append(inference)
        return Evaluation({"fair:building_iou": 0.5}, {}, "a guess", len(samples))

    other = with_functions(code, evaluate=evaluate)
    evaluation.evaluate(config, other, state, samples.held_out)
    evaluation.evaluate(config, other, state, samples.held_out, {THRESHOLD: 0.3})

    assert told == [{"confidence_threshold": 0.5}, {"confidence_threshold": 0.3}]


def test_an_evaluation_of_before_is_called_as_before_and_its_classes_have_their_labels(
    config, code, state, samples
):
    def evaluate(network, samples, processing, params):
        return Evaluation({"fair:building_iou": 0.5}, {}, "a guess", len(samples))

    found = evaluation.evaluate(config, with_functions(code, evaluate=evaluate), state, samples.held_out)

    assert found.classes == [
        {"class": "background", "train": None, "held_out": None},
        {"class": "building", "train": 9, "held_out": 4},
    ]


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ({"intervals": {"fair:building_iou": (0.1, float("inf"))}}, "the interval of fair:building_iou"),
        ({"classes": [{"class": "building", "iou": float("nan")}]}, "iou of building"),
    ],
)
def test_figures_that_are_no_numbers_fail_the_run(config, code, state, samples, figures, said):
    def evaluate(network, samples, processing, params):
        return Evaluation({"fair:building_iou": 0.5}, {}, "a guess", len(samples), **figures)

    with pytest.raises(TrainingFailed, match=said):
        evaluation.evaluate(config, with_functions(code, evaluate=evaluate), state, samples.held_out)
