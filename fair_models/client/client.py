"""The client itself."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from pydantic import BaseModel, SecretStr

from fair_models.client import keys
from fair_models.client.events import Event
from fair_models.client.follower import Follower
from fair_models.client.http import Http, Refused
from fair_models.client.reader import Reader
from fair_models.client.requests import NAMED, Request, deployment_of, run_name
from fair_models.client.runs import FlowRun
from fair_models.client.schema import problems
from fair_models.errors import Invalid, InvalidParameters
from fair_models.settings import current
from fair_models.types import Json


class Client(Reader):
    """Starts, follows and cancels runs of the deployments on one Prefect server.

    Args:
        api_url: Address of the API. Default: PREFECT_API_URL, else the local server.
        timeout_s: Timeout of one try of a request, in seconds.
        auth: "user:password" of a server that needs a login. Default: PREFECT_API_AUTH_STRING, else none.

    One client serves any number of threads.
    """

    def __init__(
        self, api_url: str | None = None, timeout_s: float = 90, auth: SecretStr | None = None
    ) -> None:
        settings = current()
        found = auth or settings.prefect_auth
        address = api_url or settings.prefect_api_url
        home = settings.home if address == settings.local_api_url else None
        super().__init__(Http(address, timeout_s, auth=found, home=home))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._http.close()

    def submit(
        self,
        params: Request,
        *,
        idempotency_key: str | None = None,
        again: bool = False,
        name: str | None = None,
        tags: Iterable[str] = (),
    ) -> FlowRun:
        """Start a run for these parameters: `FinetuneParams` for a fine-tuning, and so on.

        The rest is as in `start`, which takes parameters as plain JSON too.

        Raises: what `start` raises.
        """
        return self.start(
            deployment_of(params),
            params,
            idempotency_key=idempotency_key,
            again=again,
            name=name,
            tags=tags,
        )

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
        """Start a run. Returns at once; a worker takes up the run.

        Args:
            deployment: Name of the deployment, e.g. "finetune" or "finetune/finetune".
            params: The flow's `params`. Checked against the deployment's published schema first.
            idempotency_key: Id of this request. The same request with the same key starts nothing and
                returns the run that there is, with `found` set. Default: a new key, which only this call's
                own retries share.
            again: If the run of the key failed, crashed or was cancelled, start a new one with the same key.
                A run that is going or has completed is returned as it is.
            name: Name of the run for people. Default: made from the parameters, e.g. "fine-tune roofs".
            tags: Words to find the run by.

        Raises:
            NotFound: There is no such deployment; the message has those that there are.
            Invalid: `again` without a key, or a key that cannot be one.
            InvalidParameters: The schema does not allow them; lists every reason. No run was created.
            Conflict: The key belongs to another request; names what differs.
            RunEnded: The run of the key did not complete, and `again` was not given.
            Unavailable: No server answers.
        """
        target = self.deployment(deployment)
        sent = {"params": _plain(params)}
        reasons = problems({**target["parameters"], **sent}, target["parameter_openapi_schema"])
        if reasons:
            raise InvalidParameters(deployment, reasons)
        named = [NAMED] if name else []
        name = name or run_name(target["name"], sent["params"])
        body = {
            "parameters": sent,
            "tags": [*target["tags"], *tags, *named],
            **({"name": name} if name else {}),
        }
        if idempotency_key is None:
            if again:
                raise Invalid("again=True needs the idempotency key of the request. Give it too")
            return self._create(target, {**body, "idempotency_key": str(uuid.uuid4())})
        return self._start_once(target, body, keys.check(idempotency_key), again)

    def _start_once(self, target: Json, body: Json, key: str, again: bool) -> FlowRun:
        """The latest run of a key; a new one if there is none, or if the last failed and `again` is set."""
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

    def _create(self, target: Json, body: Json) -> FlowRun:
        """Create a run. Sent again with the same key, the server answers with the same run."""
        try:
            return self._read(self._http.post(f"/deployments/{target['id']}/create_flow_run", body))
        except Refused as error:
            if error.status in {409, 422}:
                raise InvalidParameters(target["name"], [str(error)]) from error
            raise

    def follow(self, run_id: str, poll_s: float = 0.5) -> Iterator[Event]:
        """The events of a run and of the runs that it starts, until it is over.

        Args:
            run_id: The run.
            poll_s: Time between two requests to the server, in seconds.

        Yields:
            State changes, log lines and progress, in order.

        Raises:
            NotFound: There is no such run.
            Unavailable: No server answers, or the disk of a local one stays full, so that it notes no end.
        """
        yield from Follower(self, run_id).events(poll_s)

    def wait(self, run_id: str, timeout_s: float | None = None, poll_s: float = 2) -> FlowRun:
        """The run as it ends.

        Args:
            run_id: The run.
            timeout_s: How long to wait, in seconds. Default: no limit.
            poll_s: Time between two requests to the server, in seconds.

        Raises:
            NotFound: There is no such run.
            TimeoutError: It is not over yet. It continues.
            Unavailable: No server answers, or the disk of a local one stays full, so that it notes no end.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        disk = self.disk_watch()
        while not (run := self.run(run_id)).state.is_final:
            disk.look(run)
            if until is not None and time.monotonic() + poll_s > until:
                raise TimeoutError(
                    f"Run {run.name} is {run.state.status} after {timeout_s:g} s; it continues"
                )
            time.sleep(poll_s)
        return run

    def cancel(self, run_id: str) -> FlowRun:
        """Ask a run to stop; the runs that it started stop too. One that is over stays as it is.

        A running run cancels its children when it ends. Children of a run that is over, because its process
        died, are cancelled here.

        Raises:
            NotFound: There is no such run.
        """
        run = self.run(run_id)
        left = self.descendants(run.id) if run.state.is_final else [run]
        for each in left:
            if not each.state.is_final:
                state = {"type": "CANCELLING", "name": "Cancelling"}
                self._http.post(f"/flow_runs/{each.id}/set_state", {"state": state})
        return self.run(run.id)


def _plain(params: BaseModel | Mapping[str, Any]) -> Json:
    """Parameters as JSON, without those that were not given."""
    return (
        params.model_dump(mode="json", exclude_unset=True) if isinstance(params, BaseModel) else dict(params)
    )
