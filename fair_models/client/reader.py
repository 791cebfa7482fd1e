"""Reads deployments, runs, their log lines and their results from a Prefect server."""

from __future__ import annotations

import difflib
import json
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice

from fair_models.client import keys, logs
from fair_models.client.disk_watch import DiskWatch
from fair_models.client.events import LogLine
from fair_models.client.http import Http
from fair_models.client.logs import LineFilter
from fair_models.client.run_results import Results, read_results
from fair_models.client.runs import FlowRun, RunState, read_run
from fair_models.client.status import Status
from fair_models.errors import Invalid, NotFound
from fair_models.types import Json


class Reader:
    """The half of the client that changes nothing."""

    def __init__(self, http: Http) -> None:
        self._http = http
        self._flows: dict[str, str] = {}

    def disk_watch(self) -> DiskWatch:
        """What ends the wait for a run where the disk of a local server stays full."""
        return DiskWatch(self._http)

    def deployment(self, name: str) -> Json:
        """A deployment as the server returns it, with `parameter_openapi_schema`."""
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

    def has_block(self, slug: str, name: str = "default") -> bool:
        """Whether a block of a kind is saved under a name."""
        try:
            self._http.get(f"/block_types/slug/{slug}/block_documents/name/{name}")
        except NotFound:
            return False
        return True

    def deployments(self) -> list[str]:
        """Names of all deployments."""
        return sorted(each["name"] for each in self._http.pages("/deployments/filter", {}))

    def run(self, run_id: str) -> FlowRun:
        """A run as it is now. Raises NotFound."""
        try:
            run_id = str(uuid.UUID(run_id))
            return self._read(self._http.get(f"/flow_runs/{run_id}"))
        except (NotFound, ValueError) as error:
            raise NotFound(f"No run {run_id}. `fair-models flow-runs` lists the latest") from error

    def state(self, run_id: str) -> RunState:
        """The state of a run now, as Prefect names it."""
        return self.run(run_id).state

    def status(self, run_id: str) -> Status:
        """The status of a run now, in one word.

        It is `retried` if the run did not complete and `start(..., again=True)` started a later attempt.
        """
        run = self.run(run_id)
        if run.state.is_final and not run.state.is_completed and run.key:
            latest = self._attempts(keys.request(run.key), run.deployment_id)
            if latest and keys.number(latest[-1].key) > keys.number(run.key):
                return Status.RETRIED
        return run.state.status

    def runs(
        self, deployment: str | None = None, *, tags: Sequence[str] = (), limit: int = 20
    ) -> list[FlowRun]:
        """The latest runs, newest first, without runs that a schedule plans for later.

        Args:
            deployment: Only runs of this deployment.
            tags: Only runs that have all of these.
            limit: Maximum number of runs.
        """
        runs: Json = {"expected_start_time": {"before_": datetime.now(UTC).isoformat()}}
        if tags:
            runs["tags"] = {"all_": [*tags]}
        if deployment:
            runs["deployment_id"] = {"any_": [self.deployment(deployment)["id"]]}
        body = {"sort": "START_TIME_DESC", "flow_runs": runs}
        found = self._http.pages("/flow_runs/filter", body, size=max(1, min(limit, 200)))
        return [self._read(each) for each in islice(found, limit)]

    def children(self, run_id: str) -> list[FlowRun]:
        """The runs that a run started itself."""
        return self._children([run_id])

    def descendants(self, run_id: str) -> list[FlowRun]:
        """The runs that a run started, those that these started, and so on."""
        found = latest = self.children(run_id)
        while latest:
            latest = self._children([run.id for run in latest])
            found = [*found, *latest]
        return found

    def logs(
        self,
        run_id: str,
        *,
        tail: int | None = None,
        since: datetime | None = None,
        level: int = 0,
        children: bool = True,
    ) -> list[LogLine]:
        """The log lines of a run and of the runs that it started, oldest first.

        Args:
            run_id: The run.
            tail: Only this number of last lines. Default: all.
            since: Only lines of this time or later; it has a time zone.
            level: Only lines of this level or above, as in Python's logging: 20 info, 30 warning, 40 error.
            children: Whether to read the lines of the runs that it started too.

        Raises:
            NotFound: There is no such run.
            Invalid: `since` has no time zone, or `tail` is negative.
        """
        if tail is not None and tail < 0:
            raise Invalid(f"tail is {tail}, should be 0 or more")
        family = [self.run(run_id), *(self.descendants(run_id) if children else ())]
        names = {run.id: run.name for run in family}
        wanted = LineFilter([*names], logs.aware(since) if since else None, level)
        if tail is None:
            found = list(self.lines(wanted))
        else:
            found = [*islice(logs.lines(self._http, wanted, "TIMESTAMP_DESC"), tail)][::-1]
        return [logs.read_line(line, names[line["flow_run_id"]]) for line in found]

    def lines(self, wanted: LineFilter) -> Iterator[Json]:
        """Log lines, oldest first, as the server returns them."""
        return logs.lines(self._http, wanted)

    def result(self, run_id: str) -> Json:
        """The row of the run's artifact `result`; `fair_models.outcomes` has its columns for each flow.

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

    def results(self, run_id: str) -> Results:
        """The run's row, typed, and where its files lie.

        Raises:
            NotFound: The run wrote none: it is not over, or it failed.
            Invalid: It is no run of one of our flows.
        """
        return read_results(self.run(run_id), self.result(run_id))

    def table(self, run_id: str, key: str) -> list[Json]:
        """The rows of another table that a run wrote, e.g. "metrics". No table gives an empty list."""
        found = self.artifacts([run_id], key=key, kind="table")
        return _rows(found[-1]) if found else []

    def artifacts(
        self, run_ids: Sequence[str], *, key: str | None = None, kind: str | None = None
    ) -> list[Json]:
        """Artifacts of runs, oldest first, with `key`, `type`, `description` and `data`."""
        wanted: Json = {"flow_run_id": {"any_": [*run_ids]}}
        if key:
            wanted["key"] = {"any_": [key]}
        if kind:
            wanted["type"] = {"any_": [kind]}
        found = self._http.pages("/artifacts/filter", {"artifacts": wanted, "sort": "ID_DESC"})
        return sorted(found, key=lambda artifact: str(artifact["created"]))

    def _children(self, run_ids: Sequence[str]) -> list[FlowRun]:
        body = {"flow_runs": {"parent_flow_run_id": {"any_": [*run_ids]}}, "sort": "ID_DESC"}
        return [self._read(each) for each in self._http.pages("/flow_runs/filter", body)]

    def _attempts(self, key: str, deployment_id: str | None = None) -> list[FlowRun]:
        """The runs that were started with a key, of any deployment, the latest attempt last."""
        runs: Json = {"idempotency_key": {"any_": keys.attempts(key)}}
        if deployment_id:
            runs["deployment_id"] = {"any_": [deployment_id]}
        found = self._http.pages("/flow_runs/filter", {"flow_runs": runs, "sort": "ID_DESC"})
        return sorted(map(self._read, found), key=lambda run: keys.number(run.key))

    def _read(self, answer: Json) -> FlowRun:
        flow_id = answer["flow_id"]
        if flow_id not in self._flows:
            self._flows[flow_id] = self._http.get(f"/flows/{flow_id}")["name"]
        return read_run(answer, self._flows[flow_id])


def _rows(artifact: Json) -> list[Json]:
    rows: list[Json] = json.loads(artifact["data"]) if isinstance(artifact["data"], str) else artifact["data"]
    return rows
