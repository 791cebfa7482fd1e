"""Starts, follows and cancels deployment runs over Prefect's REST API. Needs httpx, not Prefect.

from fair_models.client import Client
from fair_models.params import PromoteParams

client = Client("http://127.0.0.1:4200/api")
run = client.start("promote", PromoteParams(model="banepa-roofs"))
for event in client.follow(run.id):
    print(event)
rows = client.result(run.id)
"""

from fair_models.client.client import Client
from fair_models.client.events import Event, LogLine, Progress, StateChange
from fair_models.client.keys import RunEnded
from fair_models.client.runs import FlowRun, RunState

__all__ = ["Client", "Event", "FlowRun", "LogLine", "Progress", "RunEnded", "RunState", "StateChange"]
