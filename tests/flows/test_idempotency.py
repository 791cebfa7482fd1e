"""One key stands for one request: asked for again, it starts nothing twice. A real server."""

import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from fair_models.cli.app import app
from fair_models.client import Client, FlowRun, RunEnded
from fair_models.errors import Conflict, Invalid
from fair_models.params import FinetuneParams, PromoteParams

FINETUNE = FinetuneParams(base_model="some-base", dataset="some-data", model_name="some-model")
MANY = 8

pytestmark = pytest.mark.usefixtures("api")


def count(api: httpx.Client, key: str) -> int:
    """How many runs there are under a key and its attempts."""
    wanted = {"flow_runs": {"idempotency_key": {"any_": [key, *(f"{key}#{n}" for n in range(2, 20))]}}}
    return int(api.post("/flow_runs/count", json=wanted).json())


def end(api: httpx.Client, run: FlowRun, state: str, message: str) -> None:
    """Make a run end as if a worker had run it."""
    body = {"state": {"type": state, "message": message}, "force": True}
    assert api.post(f"/flow_runs/{run.id}/set_state", json=body).status_code == 201


def at_once(start: Callable[[Client], FlowRun], address: str) -> set[str]:
    """Ask for the same from many clients at the same moment. The ids of the runs that came of it."""
    gate = threading.Barrier(MANY)

    def ask(_: int) -> str:
        with Client(address) as client:
            gate.wait()
            return start(client).id

    with ThreadPoolExecutor(MANY) as pool:
        return set(pool.map(ask, range(MANY)))


def test_the_same_key_gives_the_same_run(api: httpx.Client, client: Client) -> None:
    first = client.start("finetune", FINETUNE, idempotency_key="same")
    second = client.start("finetune", FINETUNE, idempotency_key="same")
    assert (first.id, first.found, first.key) == (second.id, False, "same")
    assert second.found
    assert count(api, "same") == 1


def test_over_plain_rest_the_server_gives_the_first_run_whatever_is_asked_and_keeps_keys_for_each_flow(
    api: httpx.Client, client: Client
) -> None:
    def ask(deployment: str, params: dict[str, Any]) -> httpx.Response:
        body = {"parameters": {"params": params}, "idempotency_key": "plain"}
        return api.post(f"/deployments/{client.deployment(deployment)['id']}/create_flow_run", json=body)

    asked = FINETUNE.model_dump(exclude_unset=True)
    first, same, other = (ask("finetune", {**asked, **more}) for more in ({}, {}, {"seed": 7}))
    elsewhere = ask("promote", {"model": "some-model"})
    assert [each.status_code for each in (first, same, other, elsewhere)] == [201, 200, 200, 201]
    assert first.json()["id"] == same.json()["id"] == other.json()["id"] != elsewhere.json()["id"]
    assert other.json()["parameters"] == {"params": asked}


def test_attempts_that_a_backend_made_over_rest_are_known_to_the_client(
    api: httpx.Client, client: Client
) -> None:
    end(api, client.start("finetune", FINETUNE, idempotency_key="mixed"), "FAILED", "broken")
    body = {
        "parameters": {"params": FINETUNE.model_dump(exclude_unset=True)},
        "idempotency_key": "mixed#2",
    }
    made = api.post(f"/deployments/{client.deployment('finetune')['id']}/create_flow_run", json=body).json()
    assert client.start("finetune", FINETUNE, idempotency_key="mixed", again=True).id == made["id"]


def test_without_a_key_each_call_starts_a_run(client: Client) -> None:
    assert client.start("finetune", FINETUNE).id != client.start("finetune", FINETUNE).id


def test_another_request_under_the_same_key_is_told_with_what_differs(
    api: httpx.Client, client: Client
) -> None:
    run = client.start(
        "finetune",
        FINETUNE.model_copy(update={"overrides": {"training.epochs": 2}, "seed": 42}),
        idempotency_key="other",
    )
    changed = {**FINETUNE.model_dump(exclude_unset=True), "overrides": {"training.epochs": 3}, "title": "New"}
    with pytest.raises(Conflict) as raised:
        client.start("finetune", changed, idempotency_key="other")
    for words in (
        "'other'",
        run.id,
        "params.overrides.training.epochs was 2 and is now 3",
        "params.seed was 42 and is now not given",
        "params.title was not given and is now 'New'",
    ):
        assert words in str(raised.value)
    assert "model_name" not in str(raised.value)
    assert count(api, "other") == 1


def test_a_key_of_another_deployment_is_a_conflict_too(api: httpx.Client, client: Client) -> None:
    run = client.start("finetune", FINETUNE, idempotency_key="elsewhere")
    with pytest.raises(Conflict, match=f"{run.id}.*a run of finetune, not of promote"):
        client.start("promote", PromoteParams(model="some-model"), idempotency_key="elsewhere")
    assert count(api, "elsewhere") == 1


@pytest.mark.parametrize(
    ("state", "words"), [("FAILED", "failed"), ("CRASHED", "crashed"), ("CANCELLED", "was cancelled")]
)
def test_a_key_whose_run_ended_badly_says_how_and_what_next(
    api: httpx.Client, client: Client, state: str, words: str
) -> None:
    run = client.start("finetune", FINETUNE, idempotency_key=f"bad-{state}", name="my training")
    end(api, run, state, "no more room")
    with pytest.raises(RunEnded) as raised:
        client.start("finetune", FINETUNE, idempotency_key=f"bad-{state}")
    ended = client.run(run.id)
    assert raised.value.run == ended
    assert ended.ended is not None
    for part in (run.id, "my training", words, f"{ended.ended:%Y-%m-%d %H:%M:%S}", "no more room", "--again"):
        assert part in str(raised.value)
    assert count(api, f"bad-{state}") == 1


def test_again_starts_anew_what_failed_and_only_once(api: httpx.Client, client: Client) -> None:
    first = client.start("finetune", FINETUNE, idempotency_key="again", again=True)
    end(api, first, "FAILED", "broken")
    second = client.start("finetune", FINETUNE, idempotency_key="again", again=True)
    assert second.id != first.id
    assert second.key == "again#2"
    for again in (True, False):  # the second attempt goes on: it is what the key stands for now
        found = client.start("finetune", FINETUNE, idempotency_key="again", again=again)
        assert (found.id, found.found) == (second.id, True)
    end(api, second, "COMPLETED", "")
    assert client.start("finetune", FINETUNE, idempotency_key="again", again=True).id == second.id
    assert count(api, "again") == 2


def test_again_is_no_way_around_a_conflict(api: httpx.Client, client: Client) -> None:
    run = client.start("finetune", FINETUNE, idempotency_key="around")
    end(api, run, "FAILED", "broken")
    with pytest.raises(Conflict, match=r"params\.seed"):
        client.start(
            "finetune", FINETUNE.model_copy(update={"seed": 1}), idempotency_key="around", again=True
        )


def test_many_clients_at_once_start_one_run(api: httpx.Client, prefect_api: str) -> None:
    runs = at_once(lambda client: client.start("finetune", FINETUNE, idempotency_key="race"), prefect_api)
    assert len(runs) == count(api, "race") == 1


def test_many_clients_that_start_anew_at_once_start_one_run(
    api: httpx.Client, client: Client, prefect_api: str
) -> None:
    end(api, client.start("finetune", FINETUNE, idempotency_key="anew"), "CRASHED", "")
    runs = at_once(
        lambda each: each.start("finetune", FINETUNE, idempotency_key="anew", again=True), prefect_api
    )
    assert len(runs) == 1
    assert count(api, "anew") == 2


@pytest.mark.parametrize("key", ["", "two words", "a#2", "x" * 201, "line\n"])
def test_what_cannot_be_a_key_is_refused(client: Client, key: str) -> None:
    with pytest.raises(Invalid, match="1 to 200 characters"):
        client.start("finetune", FINETUNE, idempotency_key=key)


def test_only_what_has_a_key_can_be_asked_for_again(client: Client) -> None:
    with pytest.raises(Invalid, match="key"):
        client.start("finetune", FINETUNE, again=True)


@pytest.fixture
def losing(prefect_api: str) -> Iterator[str]:
    """Address of a way to the server on which the first answer to each start of a run is lost."""
    lost: set[bytes] = set()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            address = prefect_api.removesuffix("/api") + self.path
            answer = httpx.request(
                self.command, address, content=body, headers={"content-type": "application/json"}, timeout=30
            )
            if self.path.endswith("/create_flow_run") and body not in lost:
                lost.add(body)
                self.close_connection = True
                return
            self.send_response(answer.status_code)
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("key", ["lost-answer", None])
def test_a_run_whose_answer_was_lost_is_not_started_twice(
    api: httpx.Client, losing: str, key: str | None
) -> None:
    before = api.post("/flow_runs/count", json={}).json()
    with Client(losing) as client:
        run = client.start("finetune", FINETUNE, idempotency_key=key)
    assert not run.found
    assert api.post("/flow_runs/count", json={}).json() == before + 1


class Shell:
    """The command line against the server."""

    def __init__(self, address: str) -> None:
        self._environment = {"PREFECT_API_URL": address}

    def finetune(self, *options: str, **environment: str) -> Any:
        command = ["finetune", "some-base", "some-data", "some-model", "--no-wait", "--json", *options]
        return CliRunner().invoke(app, command, env={**self._environment, **environment})


@pytest.fixture
def shell(prefect_api: str) -> Shell:
    return Shell(prefect_api)


def test_the_command_line_starts_once_under_a_key_and_says_so(shell: Shell) -> None:
    first = shell.finetune("--idempotency-key", "typed")
    second = shell.finetune(FAIR_IDEMPOTENCY_KEY="typed")
    assert (first.exit_code, second.exit_code) == (0, 0)
    made, found = json.loads(first.stdout)["run"], json.loads(second.stdout)["run"]
    assert (made["id"], made["found"]) == (found["id"], False)
    assert found["found"]
    assert "No new run was started" in second.stderr


def test_the_command_line_starts_anew_only_when_asked_to(api: httpx.Client, shell: Shell) -> None:
    run = json.loads(shell.finetune("--idempotency-key", "typed-again").stdout)["run"]
    assert api.post(f"/flow_runs/{run['id']}/set_state", json={"state": {"type": "CANCELLED"}}).is_success
    told = shell.finetune("--idempotency-key", "typed-again")
    assert told.exit_code == 1
    assert "--again" in json.loads(told.stdout)["error"]["message"]
    anew = shell.finetune("--idempotency-key", "typed-again", "--again")
    assert anew.exit_code == 0
    assert json.loads(anew.stdout)["run"]["id"] != run["id"]
    assert count(api, "typed-again") == 2


def test_the_command_line_ends_with_code_2_where_a_key_stands_for_another_request(shell: Shell) -> None:
    assert shell.finetune("--idempotency-key", "typed-other").exit_code == 0
    told = shell.finetune("--idempotency-key", "typed-other", "--seed", "7")
    assert told.exit_code == 2
    assert "params.seed was not given and is now 7" in json.loads(told.stdout)["error"]["message"]
