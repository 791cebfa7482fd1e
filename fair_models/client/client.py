"""The client itself."""

from __future__ import annotations

import difflib
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel

from fair_models.client import keys
from fair_models.client.events import Event
from fair_models.client.following import Follower
from fair_models.client.http import Http, Refused
from fair_models.client.runs import FlowRun, RunState, read_run
from fair_models.client.schema import problems
from fair_models.errors import Invalid, InvalidParameters, NotFound
from fair_models.settings import current
from fair_models.types import Json

_FAMILY = 200


class Client:
    """Starts, follows and cancels runs of the deployments on one Prefect server.

    Args:
        api_url: Address of the API. Default: PREFECT_API_URL, else the local server.
        timeout_s: How long one request may take, in seconds.
    """

    def __init__(self, api_url: str | None = None, timeout_s: float = 90) -> None:
        self._http = Http(api_url or current().prefect_api_url, timeout_s)
        self._flows: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def start(
        self,
        deployment: str,
        params: BaseModel | Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        again: bool = False,
        name: str | None = None,
        tags: Iterable[str] = (),
    ) -> FlowRun:
        """Ask for a run. It returns at once; a worker takes the run up.

        Args:
            deployment: Name of the deployment, e.g. "finetune" or "finetune/finetune".
            params: The flow's `params`. Checked against the deployment's published schema first.
            idempotency_key: Stands for this request: asked for again, it gives the run that there is, with
                `found` set, and starts nothing. Default: a new one, which only this call's own retries share.
            again: Where the run that the key stands for failed, crashed or was cancelled, start it anew under
                the same key. A run that goes on or has completed is given as it is.
            name: Name of the run for people. Default: the flow makes one.
            tags: Words to find the run by.

        Raises:
            NotFound: There is no such deployment; the message has those that there are.
            Invalid: `again` without a key, or a key that cannot be one.
            InvalidParameters: Everything that the schema does not allow. No run was created.
            Conflict: The key stands for another request; says what differs.
            RunEnded: The run that the key stands for did not complete, and `again` was not given.
            Unavailable: No server answers.
        """
        target = self.deployment(deployment)
        sent = {"params": _plain(params)}
        reasons = problems({**target["parameters"], **sent}, target["parameter_openapi_schema"])
        if reasons:
            raise InvalidParameters(deployment, reasons)
        body = {
            "parameters": sent,
            "tags": [*target["tags"], *tags],
            **({"name": name} if name else {}),
        }
        if idempotency_key is None:
            if again:
                raise Invalid("Only what has a key can be asked for again. Give its idempotency key too")
            return self._create(target, {**body, "idempotency_key": str(uuid.uuid4())})
        return self._start_once(target, body, keys.check(idempotency_key), again)

    def _start_once(self, target: Json, body: Json, key: str, again: bool) -> FlowRun:
        """The latest attempt of what a key stands for; made where there is none, or a new one is wanted."""
        made = self._attempts(key)
        for run in made:
            keys.require_same(key, run, target["id"], target["name"], body["parameters"]["params"])
        if made:
            run = made[-1]
            if not run.state.is_final or run.state.is_completed:
                return replace(run, found=True)
            if not again:
                raise keys.RunEnded(key, run)
        used = keys.number(made[-1].key) if made else 0
        run = self._create(target, {**body, "idempotency_key": keys.attempt(key, used + 1)})
        keys.require_same(key, run, target["id"], target["name"], body["parameters"]["params"])
        return run

    def _attempts(self, key: str) -> list[FlowRun]:
        """The runs that were started under a key, whatever they are runs of, the latest attempt last."""
        wanted = {"flow_runs": {"idempotency_key": {"any_": keys.attempts(key)}}, "limit": _FAMILY}
        runs = [self._read(each) for each in self._http.post("/flow_runs/filter", wanted)]
        return sorted(runs, key=lambda run: keys.number(run.key))

    def _create(self, target: Json, body: Json) -> FlowRun:
        """Create a run. Sent again with the same key, the server answers with the same run."""
        try:
            return self._read(self._http.post(f"/deployments/{target['id']}/create_flow_run", body))
        except Refused as error:
            if error.status in {409, 422}:
                raise InvalidParameters(target["name"], [str(error)]) from error
            raise

    def deployment(self, name: str) -> Json:
        """A deployment as the server tells it, with `parameter_openapi_schema`."""
        flow, _, deployed = name.replace("_", "-").partition("/")
        try:
            found: Json = self._http.get(f"/deployments/name/{flow}/{deployed or flow}")
        except NotFound as error:
            names = self.deployments()
            near = difflib.get_close_matches(name, names, n=3) or names
            hint = (
                f"There are: {', '.join(near)}" if near else "None is deployed; `fair-models up` deploys all"
            )
            raise NotFound(f"No deployment {name!r} at {self._http.api_url}. {hint}") from error
        return found

    def deployments(self) -> list[str]:
        """Names of all deployments."""
        return sorted(each["name"] for each in self._http.post("/deployments/filter", {"limit": _FAMILY}))

    def run(self, run_id: str) -> FlowRun:
        """A run as it is now. Raises NotFound."""
        try:
            run_id = str(uuid.UUID(run_id))
            return self._read(self._http.get(f"/flow_runs/{run_id}"))
        except (NotFound, ValueError) as error:
            raise NotFound(f"No run {run_id}. `fair-models runs` lists the latest") from error

    def state(self, run_id: str) -> RunState:
        """Where a run stands now."""
        return self.run(run_id).state

    def runs(
        self, deployment: str | None = None, *, tags: Sequence[str] = (), limit: int = 20
    ) -> list[FlowRun]:
        """The latest runs, newest first, without those that a schedule plans for later.

        Args:
            deployment: Only runs of this deployment.
            tags: Only runs that have all of these.
            limit: At most so many, up to 200.
        """
        body: Json = {"sort": "START_TIME_DESC", "limit": min(limit, 200)}
        runs: Json = {"expected_start_time": {"before_": datetime.now(UTC).isoformat()}}
        if tags:
            runs["tags"] = {"all_": [*tags]}
        if deployment:
            runs["deployment_id"] = {"any_": [self.deployment(deployment)["id"]]}
        return [
            self._read(each) for each in self._http.post("/flow_runs/filter", {**body, "flow_runs": runs})
        ]

    def follow(self, run_id: str, poll_s: float = 0.5) -> Iterator[Event]:
        """What happens to a run and to the runs that it starts, until it is over.

        Args:
            run_id: The run.
            poll_s: How long to wait before the server is asked again, in seconds.

        Yields:
            State changes, log lines and progress, in order.
        """
        yield from Follower(self, run_id).events(poll_s)

    def result(self, run_id: str) -> Json:
        """The row of the run's artifact `result`; `fair_models.outcomes` says its columns for each flow.

        Raises:
            NotFound: The run wrote none: it is not over, or it failed.
        """
        found = self.artifacts([run_id], key="result", kind="table")
        if not found:
            run = self.run(run_id)
            raise NotFound(
                f"Run {run.name} has no result: it is {run.state.name.lower()}. {run.state.message}".strip()
            )
        return _rows(found[-1])[0]

    def table(self, run_id: str, key: str) -> list[Json]:
        """The rows of another table that a run wrote, e.g. "metrics". No table gives an empty list."""
        found = self.artifacts([run_id], key=key, kind="table")
        return _rows(found[-1]) if found else []

    def cancel(self, run_id: str) -> FlowRun:
        """Ask a run to stop; the runs that it started stop too. One that is over stays as it is."""
        run = self.run(run_id)
        if not run.state.is_final:
            state = {"type": "CANCELLING", "name": "Cancelling"}
            self._http.post(f"/flow_runs/{run.id}/set_state", {"state": state})
        return self.run(run.id)

    def children(self, run_id: str) -> list[FlowRun]:
        """The runs that a run started."""
        body = {"flow_runs": {"parent_flow_run_id": {"any_": [run_id]}}, "limit": _FAMILY}
        return [self._read(each) for each in self._http.post("/flow_runs/filter", body)]

    def artifacts(
        self, run_ids: Sequence[str], *, key: str | None = None, kind: str | None = None
    ) -> list[Json]:
        """Artifacts of runs, oldest first, as the server tells them: `key`, `type`, `description`, `data`."""
        wanted: Json = {"flow_run_id": {"any_": [*run_ids]}}
        if key:
            wanted["key"] = {"any_": [key]}
        if kind:
            wanted["type"] = {"any_": [kind]}
        found: list[Json] = self._http.post("/artifacts/filter", {"artifacts": wanted, "sort": "ID_DESC"})
        return sorted(found, key=lambda artifact: str(artifact["created"]))

    def log_page(self, run_ids: Sequence[str], after: str | None, limit: int) -> list[Json]:
        """Up to `limit` log lines of runs at or after a time, oldest first, as the server tells them."""
        wanted: Json = {"flow_run_id": {"any_": [*run_ids]}}
        if after:
            wanted["timestamp"] = {"after_": after}
        page: list[Json] = self._http.post(
            "/logs/filter", {"logs": wanted, "sort": "TIMESTAMP_ASC", "limit": limit}
        )
        return page

    def _read(self, answer: Json) -> FlowRun:
        flow_id = answer["flow_id"]
        if flow_id not in self._flows:
            self._flows[flow_id] = self._http.get(f"/flows/{flow_id}")["name"]
        return read_run(answer, self._flows[flow_id])


def _plain(params: BaseModel | Mapping[str, Any]) -> Json:
    """Parameters as JSON, without those that were left at their default."""
    return (
        params.model_dump(mode="json", exclude_unset=True) if isinstance(params, BaseModel) else dict(params)
    )


def _rows(artifact: Json) -> list[Json]:
    rows: list[Json] = json.loads(artifact["data"]) if isinstance(artifact["data"], str) else artifact["data"]
    return rows
