"""The backend's library: starts runs, follows them and reads their results, over Prefect's REST API.

Needs httpx and pydantic, not Prefect.

from fair_models.client import Client
from fair_models.params import PromoteParams

with Client("http://127.0.0.1:4200/api") as client:
    run = client.submit(PromoteParams(model="banepa-roofs"), idempotency_key="request-7f3a")
    print(client.status(run.id))  # submitted, provisioning, running, …
    client.wait(run.id)
    print(client.results(run.id).outcome.item)
"""

from fair_models.client.client import Client
from fair_models.client.events import Event, LogLine, Progress, StateChange
from fair_models.client.keys import RunEnded
from fair_models.client.published import Published
from fair_models.client.requests import Request
from fair_models.client.run_results import Results
from fair_models.client.runs import FlowRun, RunState
from fair_models.client.status import Status

__all__ = [
    "Client",
    "Event",
    "FlowRun",
    "LogLine",
    "Progress",
    "Published",
    "Request",
    "Results",
    "RunEnded",
    "RunState",
    "StateChange",
    "Status",
]
