"""What Prefect costs a prediction: a run of the deployment `predict` beside the library alone.

    python -m benchmarks.prediction_orchestration [--side 10000] [--rounds 3] [--model models/resnet34_unet]

Starts a server of its own in a temporary folder, registers the model as it comes, makes one square GeoTIFF,
and predicts over it to GeoParquet. Each round does both: a run on the server, cut into shards, timed from its
request to its end; and the same prediction by the library in a fresh process without Prefect and without
shards, imports included. What a run takes beyond that, as a share of the run, is the orchestration.
"""

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.prediction_memory import write_image
from fair_models.client import Client
from fair_models.outcomes import Prediction, PublishedItem
from fair_models.params import PredictParams, RegisterModelParams
from fair_models.settings import Settings

PROJECT = Path(__file__).parents[1]
CONTRIBUTION = PROJECT / "models" / "unet_segmentation"


def main() -> None:
    """Read the arguments, start the server, measure, stop it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--side", type=int, default=10_000, help="Pixels of the image's sides.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--model", type=Path, default=CONTRIBUTION, help="Folder of the contribution.")
    parser.add_argument("--library", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.library:
        print(predict_here(PredictParams.model_validate_json(given.library)))
        return
    with tempfile.TemporaryDirectory(prefix="fair-orchestration-") as folder:
        os.environ |= {
            "FAIR_HOME": folder,
            "FAIR_PREFECT_PORT": str(free_port()),
            "FAIR_WEB_PORT": str(free_port()),
        }
        os.environ.pop("PREFECT_API_URL", None)
        try:
            command("up")
            measure(Path(folder), given.side, given.rounds, given.model)
        finally:
            command("down")


def measure(folder: Path, side: int, rounds: int, contribution: Path) -> None:
    """Print the seconds of each round, and the share."""
    image, output = folder / "image.tif", folder / "predicted"
    write_image(image, side)
    with Client(Settings().prefect_api_url, timeout_s=60) as client:
        run = client.submit(RegisterModelParams(source=str(contribution), random_start=True))
        client.wait(run.id)
        model = client.results(run.id).outcome
        assert isinstance(model, PublishedItem)
        asked = PredictParams(
            model=model.item,
            imagery=str(image),
            output=str(output),
            formats=["geoparquet"],
        )
        shares = []
        print(f"{'round':>6}{'run s':>8}{'library s':>11}{'polygons':>10}{'share':>8}")
        for number in range(1, rounds + 1):
            on_server, found = timed_run(client, asked, folder)
            in_library, plain = timed_library(asked)
            if found != plain:
                raise SystemExit(f"The run found {found} polygons, the library {plain}: not the same work.")
            shares.append(1 - in_library / on_server)
            print(f"{number:>6}{on_server:>8.1f}{in_library:>11.1f}{found:>10}{shares[-1]:>8.1%}", flush=True)
            shutil.rmtree(output)
    print(f"orchestration share, median: {statistics.median(shares):.1%}")


def timed_run(client: Client, asked: PredictParams, folder: Path) -> tuple[float, int]:
    """Seconds of a run from its request to its end, and the polygons that it found."""
    shutil.rmtree(asked.output or "", ignore_errors=True)
    shutil.rmtree(folder / "store" / "shards", ignore_errors=True)
    began = time.perf_counter()
    run = client.submit(asked)
    client.wait(run.id, poll_s=0.2)
    seconds = time.perf_counter() - began
    found = client.results(run.id).outcome
    assert isinstance(found, Prediction)
    return seconds, found.features


def timed_library(asked: PredictParams) -> tuple[float, int]:
    """Seconds of a process that predicts without Prefect, and the polygons that it found."""
    shutil.rmtree(asked.output or "", ignore_errors=True)
    began = time.perf_counter()
    arguments = [sys.executable, "-m", "benchmarks.prediction_orchestration", "--library"]
    done = subprocess.run(
        [*arguments, asked.model_dump_json()], cwd=PROJECT, check=True, capture_output=True, text=True
    )
    return time.perf_counter() - began, int(json.loads(done.stdout))


def predict_here(params: PredictParams) -> int:
    """The prediction without shards and without Prefect; the number of its polygons."""
    from fair_models.catalog.items import versions
    from fair_models.catalog.opening import open_catalog
    from fair_models.contract.plans.prediction import plan_prediction
    from fair_models.inference.prediction import predict
    from fair_models.settings import current
    from fair_models.store.opening import open_store
    from fair_models.types import BASE_MODELS

    item = versions.resolve(open_catalog(current()), [BASE_MODELS], params.model)
    request = plan_prediction(item, params, open_store(current()), current().predictions_folder)
    return sum(predict(request).counts.values())


def command(name: str) -> None:
    """`fair-models up` or `down`."""
    code = f"import sys; sys.argv = ['fair-models', '{name}']; from fair_models.cli import main; main()"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


if __name__ == "__main__":
    main()
