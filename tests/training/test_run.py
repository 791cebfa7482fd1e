"""Whole trainings through ZenML, with a tiny network."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import onnxruntime
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from fair_models.catalog.items.agreement import is_enough
from fair_models.errors import Conflict, Corrupted, TrainingCancelled, TrainingFailed
from fair_models.ml_tasks.results import Epoch
from fair_models.settings import current
from fair_models.training import launch
from fair_models.training.config.run_config import FileRef
from fair_models.training.ledger import Ledger, ModelVersion
from fair_models.training.process.environment import zenml_client

PROJECT = Path(__file__).parents[2]
ZENML = Path(sys.executable).with_name("zenml")


def mlflow_run(version: ModelVersion) -> Run:
    assert version.mlflow_run_id
    return MlflowClient(tracking_uri=current().mlflow_uri).get_run(version.mlflow_run_id)


def zenml_run(version: ModelVersion):
    from zenml.client import Client

    return Client().get_pipeline_run(version.run_id, include_full_metadata=True)


def test_a_training_gives_a_completed_version_with_its_figures(completed):
    assert (completed.status, completed.stage) == ("completed", "none")
    assert completed.id == f"tiny-roofs-v{completed.number}"
    assert set(completed.metrics) == set(completed.baseline)
    assert 0 <= completed.metrics["fair:building_iou"] <= 1
    objects = {key for key in completed.metrics if key.startswith("fair:instance_")}
    assert objects
    assert set(completed.ceiling) == objects
    assert completed.ceiling["fair:instance_f1"] >= completed.metrics["fair:instance_f1"]
    assert completed.baseline_name
    assert completed.held_out_count == 2
    assert completed.seconds > 0
    assert completed.hyperparameters["training.epochs"] == 3
    assert completed.software["torch"]


def test_the_caller_is_told_every_epoch(completed, heard):
    assert [(epoch.number, epoch.total) for epoch in heard] == [(1, 3), (2, 3), (3, 3)]
    assert all("loss" in epoch.values for epoch in heard)


def test_equal_seeds_and_threads_give_equal_metrics_and_weights(completed, make_config, ledger, tmp_path):
    again = launch.run(make_config())

    assert again.number > completed.number
    assert again.metrics == completed.metrics
    files = [
        ledger.fetch(version.model, version.number, "weights", tmp_path / str(version.number))
        for version in (completed, again)
    ]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_another_seed_gives_other_weights(completed, make_config, ledger, tmp_path):
    other = launch.run(make_config(model_name="other-seed", seed=12))

    first = ledger.fetch(completed.model, completed.number, "weights", tmp_path / "a").read_bytes()
    second = ledger.fetch(other.model, other.number, "weights", tmp_path / "b").read_bytes()
    assert first != second


def test_zenmls_command_line_repeats_a_run_with_equal_metrics(completed, ledger, tmp_path):
    config = ledger.config(completed.model, completed.number)
    (tmp_path / "run.yaml").write_text(config.to_zenml())
    before = {version.number for version in ledger.versions("tiny-roofs")}

    subprocess.run(
        [
            ZENML,
            "pipeline",
            "run",
            "fair_models.training.pipeline.training_pipeline",
            "-c",
            tmp_path / "run.yaml",
        ],
        cwd=PROJECT,
        check=True,
        capture_output=True,
        timeout=240,
    )

    (version,) = [each for each in ledger.versions("tiny-roofs") if each.number not in before]
    assert version.status == "completed"
    assert version.metrics == completed.metrics
    assert mlflow_run(version).info.status == "FINISHED"


def test_the_steps_are_those_of_the_architecture(completed):
    assert list(zenml_run(completed).steps) == [
        "load_data",
        "preprocess_data",
        "train_model",
        "evaluate_model",
        "export_onnx",
    ]


def test_zenml_holds_config_split_curves_and_metrics(completed, make_config):
    run = zenml_run(completed)

    assert run.steps["load_data"].outputs["run_config"][0].load() == make_config()
    prepared = run.steps["preprocess_data"].outputs["preparation"][0].load()
    assert (len(prepared.train), len(prepared.held_out)) == (6, 2)
    assert not set(prepared.train) & set(prepared.held_out)
    assert sum(prepared.class_shares["train"].values()) == pytest.approx(1, abs=1e-4)
    assert run.run_metadata["evaluation"]["metrics"] == completed.metrics
    assert run.model_version.run_metadata["evaluation"]["metrics"] == completed.metrics


def test_zenml_and_mlflow_hold_intervals_classes_and_what_was_chosen_on_the_training_side(completed):
    client = MlflowClient(tracking_uri=current().mlflow_uri)
    run = mlflow_run(completed)
    low, high = completed.intervals["fair:building_iou"]
    rows = {row["class"]: row for row in completed.classes}
    details = zenml_run(completed).steps["evaluate_model"].outputs["evaluation"][0].load()
    tables = {file.path for file in client.list_artifacts(run.info.run_id, "evaluation")}

    assert low <= completed.metrics["fair:building_iou"] <= high
    assert run.data.metrics["fair:building_iou_low"] == low
    assert (rows["building"]["train"], rows["building"]["held_out"]) == (9, 4)
    assert rows["building"]["iou"] == completed.metrics["fair:building_iou"]
    assert set(completed.confusion) == {"background", "building"}
    assert len(details["samples"]) == completed.held_out_count
    assert "evaluation/confusion.json" in tables
    threshold = completed.hyperparameters["inference.confidence_threshold"]
    assert 0.1 <= threshold <= 0.9
    assert threshold != 0.5
    assert float(run.data.params["calibrated.inference.confidence_threshold"]) == threshold


def test_zenml_and_mlflow_name_each_others_run(completed):
    run = mlflow_run(completed)

    assert run.data.tags["zenml_run_id"] == completed.run_id
    assert zenml_run(completed).run_metadata["mlflow_run_id"] == run.info.run_id
    assert run.info.run_name == completed.id


def test_mlflow_holds_parameters_curves_and_pictures_under_home(completed):
    client = MlflowClient(tracking_uri=current().mlflow_uri)
    run = mlflow_run(completed)

    assert run.info.status == "FINISHED"
    assert run.data.params["training.epochs"] == "3"
    assert [point.step for point in client.get_metric_history(run.info.run_id, "loss")] == [1, 2, 3]
    assert run.data.metrics["fair:building_iou"] == completed.metrics["fair:building_iou"]
    pictures = client.list_artifacts(run.info.run_id, "pictures")
    assert pictures
    assert current().mlflow_folder.as_uri() in run.info.artifact_uri


def test_the_exported_network_runs_in_onnx_runtime(completed, ledger, tmp_path):
    path = ledger.fetch(completed.model, completed.number, "onnx", tmp_path)

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert session.get_inputs()[0].shape[1] == 3


def test_a_version_says_how_well_quicker_ways_agree_and_has_the_network_in_8_bits_where_it_does(
    completed, ledger, tmp_path
):
    known = completed.agreement
    path = ledger.fetch(completed.model, completed.number, "onnx_int8", tmp_path)

    assert known.figure("onnxruntime", "int8") is not None
    assert (known.held_out_count, known.calibration_count) == (2, 6)
    assert (path.stat().st_size > 0) == is_enough(known.int8_mask_iou)


def test_the_log_tells_counts_epochs_and_metrics(make_config, caplog):
    with caplog.at_level(logging.INFO, logger="fair_models.training"):
        launch.run(make_config(model_name="logged-roofs"))

    lines = [record.message for record in caplog.records if record.name == "fair_models.training"]
    assert any(line.startswith("6 samples to train on, 2 held out") for line in lines)
    assert any(line.startswith("epoch 3/3 loss ") for line in lines)
    assert any(line.startswith("held out fair:building_iou ") for line in lines)


def test_zenml_leaves_no_console_handler_on_the_root_logger(completed):
    names = [type(handler).__name__ for handler in logging.getLogger().handlers]

    assert "ZenMLConsoleHandler" not in names


def test_an_error_in_training_fails_the_run_everywhere(failed, ledger):
    assert failed.status == "failed"
    assert failed.metrics == {}
    assert mlflow_run(failed).info.status == "FAILED"
    with pytest.raises(Conflict, match="its run is failed"):
        ledger.set_stage(failed.model, failed.number, "production")


def test_the_error_names_model_data_and_reason(make_config):
    with pytest.raises(TrainingFailed, match=r"weak-roofs from tiny-v1 on town-v1.*the roof fell in"):
        launch.run(make_config(model_name="weak-roofs", training={"fail_in_epoch": 1}))


def test_what_a_step_finds_wrong_reaches_the_caller_unchanged(make_config, ledger):
    config = make_config(model_name="corrupted-roofs")
    wrong = FileRef(href=config.weights.href, checksum="1220" + "0" * 64)

    with pytest.raises(Corrupted):
        launch.run(config.model_copy(update={"weights": wrong}))
    assert ledger.get("corrupted-roofs", 1).status == "failed"


class Cancelled(BaseException):
    """As Prefect's cancellation: no Exception."""


def test_a_cancellation_ends_the_run_everywhere(make_config, ledger):
    def cancel(epoch: Epoch) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        launch.run(make_config(model_name="cancelled-roofs"), cancel)

    version = ledger.get("cancelled-roofs", 1)
    assert version.status == "cancelled"
    assert zenml_client(current()).get_pipeline_run(version.run_id).status == "stopped"
    assert mlflow_run(version).info.status == "KILLED"


def test_a_training_that_was_interrupted_without_being_cancelled_is_failed(make_config, ledger):
    def evict(epoch: Epoch) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        launch.run(make_config(model_name="evicted-roofs"), evict, cancelled=lambda: False)

    assert ledger.get("evicted-roofs", 1).status == "failed"


def test_a_training_that_hears_of_its_cancellation_is_cancelled(make_config, ledger):
    def hear(epoch: Epoch) -> None:
        raise TrainingCancelled("The run is cancelled already: nobody ended it")

    with pytest.raises(TrainingCancelled):
        launch.run(make_config(model_name="deaf-roofs"), hear, cancelled=lambda: False)

    assert ledger.get("deaf-roofs", 1).status == "cancelled"


def start_elsewhere(config, tmp_path: Path) -> subprocess.Popen[str]:
    """A process that trains slowly; its first epoch is over when this returns."""
    (tmp_path / "run.yaml").write_text(config.to_zenml())
    program = (
        "import sys\n"
        "from fair_models.training import launch\n"
        "from fair_models.training.config.run_config import RunConfig\n"
        "config = RunConfig.from_zenml(open(sys.argv[1]).read())\n"
        "launch.run(config, lambda epoch: print('EPOCH', flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, tmp_path / "run.yaml"],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    for line in process.stdout:
        if line.startswith("EPOCH"):
            return process
    raise AssertionError(f"the training ended with {process.wait()} before its first epoch")


@pytest.mark.proof
def test_sigterm_cancels_the_run(make_config, ledger, tmp_path):
    config = make_config(model_name="stopped-roofs", training={"seconds_per_epoch": 30})
    process = start_elsewhere(config, tmp_path)

    process.terminate()

    assert process.wait(timeout=240) == 128 + signal.SIGTERM
    version = ledger.get("stopped-roofs", 1)
    assert version.status == "cancelled"
    assert mlflow_run(version).info.status == "KILLED"


@pytest.mark.proof
def test_a_killed_run_stays_running_and_cannot_be_promoted_until_it_is_marked(make_config, ledger, tmp_path):
    config = make_config(model_name="zombie-roofs", training={"seconds_per_epoch": 30})
    process = start_elsewhere(config, tmp_path)

    process.kill()
    process.wait(timeout=240)

    zombie = ledger.get("zombie-roofs", 1)
    assert zombie.status == "running"
    with pytest.raises(Conflict, match="its run is running"):
        ledger.set_stage("zombie-roofs", 1, "production")
    ledger.mark_failed(zombie.run_id)
    assert ledger.get("zombie-roofs", 1).status == "failed"
    assert mlflow_run(zombie).info.status == "KILLED"
    ledger.mark_cancelled(zombie.run_id)  # its flow run was cancelled, as turns out later
    assert ledger.get("zombie-roofs", 1).status == "cancelled"


def test_a_pipeline_of_the_models_own_gets_config_logging_and_versions(make_config, ledger: Ledger, tmp_path):
    config = make_config("models.tiny.own:training_pipeline", model_name="own-roofs")

    version = launch.run(config)

    assert (version.number, version.status, version.seconds) == (1, "completed", 0.25)
    assert version.metrics == {"fair:building_iou": 0.5}
    assert ledger.config("own-roofs", 1) == config
    assert ledger.fetch("own-roofs", 1, "onnx", tmp_path).read_bytes() == b"onnx"
    assert mlflow_run(version).info.status == "FINISHED"


def test_a_training_outlives_an_mlflow_that_does_not_answer(make_config, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/file/mlflow.db")

    version = launch.run(make_config(model_name="offline-roofs"))

    assert (version.status, version.mlflow_run_id) == ("completed", None)
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert sum("the training goes on without them" in line for line in warnings) == 1


def test_two_processes_may_open_a_fresh_home_at_once(make_config, tmp_path):
    (tmp_path / "run.yaml").write_text(make_config().to_zenml())
    program = (
        "import sys\n"
        "from fair_models.settings import current\n"
        "from fair_models.training.ledger import open_ledger\n"
        "from fair_models.training.mlflow_tracking import MlflowRun\n"
        "from fair_models.training.config.run_config import RunConfig\n"
        "open_ledger(current()).models()\n"
        "run = MlflowRun(current())\n"
        "run.start(RunConfig.from_zenml(open(sys.argv[1]).read()), 'id', 'tiny-roofs-v1')\n"
        "print(run.run_id)\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, tmp_path / "run.yaml"],
            env={**os.environ, "FAIR_HOME": str(tmp_path / "home")},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]

    said = [process.communicate(timeout=240)[0].split()[-1] for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert len(set(said)) == 2
    assert "None" not in said


def test_light_modules_load_neither_zenml_nor_torch():
    program = (
        "import sys\n"
        "import fair_models.training.finetune_plan, fair_models.training.launch\n"
        "import fair_models.training.ledger\n"
        "heavy = {'torch', 'zenml', 'mlflow', 'onnxruntime'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=os.environ)

    assert done.returncode == 0, done.stderr
