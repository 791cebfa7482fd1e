"""The workflows of GitHub, by reading them and by running the scripts that do their work."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments.deploy import CHECKOUT

WORKFLOWS = sorted((CHECKOUT / ".github" / "workflows").glob("*.yaml"))
each_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]
    return found


def triggers(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))[True]  # YAML's word for `on`
    return found


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job.get("steps", ())]


def test_they_keep_the_schema_of_workflows() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.github-workflows",
        *WORKFLOWS,
    ]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout
    assert {path.stem for path in WORKFLOWS} == {"tests", "images", "contribution", "register"}


@each_workflow
def test_jobs_need_jobs_that_exist_and_end_some_time(path: Path) -> None:
    found = jobs(path)
    for name, job in found.items():
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= set(found), name
        assert "timeout-minutes" in job or "uses" in job, name
        for needed in re.findall(r"needs\.(\w+)\.", yaml.safe_dump(job)):
            assert needed in job["needs"], name


@each_workflow
def test_what_others_wrote_is_pinned_by_commit(path: Path) -> None:
    for used in [step["uses"] for step in steps(path) if "uses" in step]:
        assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", used)
    for job in jobs(path).values():
        if "uses" in job:
            assert (CHECKOUT / job["uses"]).is_file()


@each_workflow
def test_scripts_exist_and_can_be_run(path: Path) -> None:
    for command in [step["run"] for step in steps(path) if "run" in step]:
        for script in re.findall(r"\.ci/[\w-]+", command):
            assert os.access(CHECKOUT / script, os.X_OK), script
        for module in re.findall(r"-m (deployments\.\w+)", command):
            assert (CHECKOUT / f"{module.replace('.', '/')}.py").is_file()
        for target in re.findall(r"^make ([\w./]+)", command, re.M):
            makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8").replace("$(READY)", ".venv/.ready")
            assert re.search(rf"^{re.escape(target)}:", makefile, re.M) or target == ".venv/.ready"


@each_workflow
def test_nothing_of_the_request_or_of_secrets_is_pasted_into_a_script(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step
        assert not re.search(r"set -\w*x", step.get("run", ""))


@each_workflow
def test_tokens_may_read_alone_unless_a_job_says_more(path: Path) -> None:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert document["permissions"] == {"contents": "read"}
    more = {name: job["permissions"] for name, job in jobs(path).items() if "permissions" in job}
    assert more == ({"push": {"contents": "read", "packages": "write"}} if path.stem == "images" else {})
    for step in steps(path):
        if step.get("uses", "").startswith("actions/checkout"):
            assert step["with"]["persist-credentials"] is False


SHELLS = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}
"""How GitHub runs the script of a step: without a named shell it leaves pipefail out."""

STAND_IN = """#!/bin/sh
name="$(basename "$0")"
echo "$name" >> "$CALLS"
[ "$FAILS" != "$name" ] || exit 7
case "$name" in
  changed-models) echo models/roof_dots;;
  build-images) echo "ghcr.io/here/training@sha256:00";;
  git) echo 0123456;;
esac
"""

MORE = {"bin/dirname": "echo models/roof_dots", "bin/tee": 'exec /usr/bin/tee "$@"'}


def scripts() -> list[Any]:
    """Each script of each workflow with its shell."""
    found = []
    for path in WORKFLOWS:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for name, job in document["jobs"].items():
            for step in job.get("steps", ()):
                if "run" in step:
                    places = [step, *(at.get("defaults", {}).get("run", {}) for at in (job, document))]
                    shell = next((at["shell"] for at in places if "shell" in at), None)
                    label = f"{path.stem}-{name}-{step['run'].split()[0]}"
                    found.append(pytest.param(step["run"], SHELLS[shell], id=label))
    return found


@pytest.mark.parametrize(("text", "shell"), scripts())
def test_a_step_fails_when_any_of_its_commands_does(text: str, shell: list[str], tmp_path: Path) -> None:
    programs = {
        ".ci/changed-models",
        ".ci/check-models",
        ".ci/build-images",
        ".ci/register-models",
        ".ci/prove",
    }
    programs |= {".venv/bin/python", "bin/git", "bin/make", "bin/sudo", "bin/tee", "bin/dirname"}
    for name in programs:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(STAND_IN + MORE.get(name, ""))
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"

    def run(fails: str, digests: str = "ghcr.io/here/training@sha256:00") -> int:
        own = {"PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin", "CALLS": str(calls), "FAILS": fails}
        own |= {"DIGESTS": digests, "BASE": "HEAD", "GITHUB_OUTPUT": str(tmp_path / "output")}
        (tmp_path / "step.sh").write_text(text)
        done = subprocess.run(
            [*shell, tmp_path / "step.sh"], cwd=tmp_path, env=own, capture_output=True, check=False
        )
        return done.returncode

    assert run("") == 0
    called = list(dict.fromkeys(calls.read_text().split()))
    assert called
    for name in called:
        assert run(name) != 0, name
    assert "DIGESTS" not in text or run("", digests="") != 0


def test_a_merge_whose_run_was_dropped_is_registered_by_the_next_one() -> None:
    path = CHECKOUT / ".github" / "workflows" / "register.yaml"
    [step] = [each for each in steps(path) if "register-models" in each.get("run", "")]
    asked = step["run"].replace("xargs .ci/register-models", "cat")
    found = subprocess.run(["bash", "-c", asked], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    everything = {path.parent.name for path in CHECKOUT.glob("models/*/stac-item.json")}
    assert {Path(line).name for line in found.stdout.split()} == everything


def test_code_of_strangers_never_meets_a_secret() -> None:
    for path in WORKFLOWS:
        assert "pull_request_target" not in triggers(path)
        if set(triggers(path)) == {"pull_request"}:
            assert "secrets." not in path.read_text(encoding="utf-8")
    images = jobs(CHECKOUT / ".github" / "workflows" / "images.yaml")
    for name, job in images.items():
        if "secrets" in job or "permissions" in job:
            assert "github.event_name == 'push'" in job["if"], name


def test_ci_and_the_workflow_run_the_same_checks() -> None:
    [run] = [
        step["run"]
        for step in steps(CHECKOUT / ".github" / "workflows" / "tests.yaml")
        if "make" in step.get("run", "")
    ]
    assert run in (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_tests_and_proofs_are_everything_together() -> None:
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    assert re.findall(r"^\t\$\(TESTS\) -m (.*)$", makefile, re.M) == ["'not proof'", "proof"]
    last = (CHECKOUT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-2:]
    assert last == ["make check", ".ci/prove"]
    path = CHECKOUT / ".github" / "workflows" / "tests.yaml"
    assert [step["run"] for step in jobs(path)["prove"]["steps"] if "run" in step][-1] == ".ci/prove"
    assert triggers(path)["schedule"]


def test_proofs_run_unless_nothing_they_cover_has_changed_since_they_were_green(checkout: Path) -> None:
    (checkout / "Makefile").write_text("prove:\n\t@echo proving\n")
    (checkout / "README.md").write_text("about\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Green")
    head = ["git", "rev-parse", "HEAD"]
    green = subprocess.run(head, cwd=checkout, check=True, capture_output=True, text=True).stdout.strip()

    def proves(proved: str) -> bool:
        done = script(checkout, "prove", PROVED=proved)
        assert done.returncode == 0, done.stderr
        return "proving" in done.stdout

    assert proves("")
    assert proves("0" * 40)
    assert not proves(green)
    (checkout / "README.md").write_text("more about\n")
    assert not proves(green)
    (checkout / "models" / "roof_dots" / "pipeline.py").write_text("x = 1\n")
    assert proves(green)
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Change")
    assert proves(green)
    (checkout / "Makefile").write_text("prove:\n\t@exit 3\n")
    assert script(checkout, "prove").returncode != 0


def script(folder: Path, name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [folder / ".ci" / name, *arguments],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with our scripts and two contributions, committed once."""
    folder = tmp_path / "checkout"
    for name in ("roof_dots", "street_lines"):
        (folder / "models" / name).mkdir(parents=True)
        (folder / "models" / name / "stac-item.json").write_text("{}")
        (folder / "models" / name / "Dockerfile").write_text("FROM scratch\nUSER 10001\n")
    (folder / ".ci").mkdir()
    for path in (CHECKOUT / ".ci").iterdir():
        (folder / ".ci" / path.name).write_bytes(path.read_bytes())
        (folder / ".ci" / path.name).chmod(0o755)
    (folder / "pyproject.toml").write_text('version = "1.2.3"\n')
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "hadolint").symlink_to(Path(sys.executable).with_name("hadolint"))
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Two models")
    return folder


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=Tester", "-c", "user.email=tester@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *who, *arguments], cwd=folder, check=True, stdout=subprocess.DEVNULL)


def test_contributions_that_changed_are_found_and_deleted_ones_are_not(checkout: Path) -> None:
    assert script(checkout, "changed-models", "HEAD").stdout == ""
    (checkout / "models" / "roof_dots" / "a b.py").write_text("x = 1\n")
    (checkout / "models" / "street_lines" / "stac-item.json").unlink()
    (checkout / "models" / "README.md").write_text("about\n")
    git(checkout, "add", "--all")
    git(checkout, "commit", "--quiet", "--message", "Change")
    found = script(checkout, "changed-models", "HEAD~1")
    assert (found.returncode, found.stdout) == (0, "models/roof_dots\n")
    assert script(checkout, "changed-models", "no-such-commit").returncode != 0


def test_all_contributions_are_checked_before_one_fails_the_request(checkout: Path) -> None:
    check = checkout / "check"
    check.write_text('#!/bin/sh\necho "$@"\n[ "$2" != models/roof_dots ]\n')
    check.chmod(0o755)
    both = script(checkout, "check-models", "models/roof_dots", "models/street_lines", FAIR_MODELS=str(check))
    assert both.stdout.splitlines() == ["check-model models/roof_dots", "check-model models/street_lines"]
    assert both.returncode == 1
    assert script(checkout, "check-models", "models/street_lines", FAIR_MODELS=str(check)).returncode == 0
    (checkout / "models" / "street_lines" / "Dockerfile").write_text("FROM python\n")
    told = script(checkout, "check-models", "models/street_lines", FAIR_MODELS=str(check))
    assert told.returncode == 1
    assert "DL3006" in told.stdout


DOCKER = """#!/bin/sh
echo "$@" >> "$DOCKER_LOG"
case "$1" in
  run) [ "${FAILS:-none}" != "$8" ];;
  image) echo "${5%:*}@sha256:0000000000000000000000000000000000000000000000000000000000000000";;
esac
"""


@pytest.fixture
def docker(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in docker's place that writes down what it is asked."""
    tools = checkout / "tools"
    tools.mkdir()
    (tools / "docker").write_text(DOCKER)
    (tools / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:{os.environ['PATH']}")
    monkeypatch.setenv("DOCKER_LOG", str(checkout / "docker.log"))
    return checkout / "docker.log"


def test_images_are_built_tried_and_only_then_pushed(checkout: Path, docker: Path) -> None:
    done = script(checkout, "build-images", "--push", REGISTRY="ghcr.io/here")
    assert done.returncode == 0, done.stderr
    asked = docker.read_text().splitlines()
    kinds = [line.split()[0] for line in asked]
    assert kinds == ["build", "run"] * 8 + ["push", "image"] * 8
    assert asked[0] == (
        "build --file deployments/images/Dockerfile --target inference --tag ghcr.io/here/inference:1.2.3 ."
    )
    [roofs] = [line for line in asked if line.startswith("build") and "roof-dots-training" in line]
    assert "--build-arg TRAINING=ghcr.io/here/training:1.2.3" in roofs
    names = [line.partition("@")[0].removeprefix("ghcr.io/here/") for line in done.stdout.splitlines()]
    assert names[:5] == ["inference", "training", "services", "registry", "roof-dots-inference"]
    assert all(re.fullmatch(r"ghcr\.io/here/[a-z-]+@sha256:0{64}", line) for line in done.stdout.splitlines())


def test_an_image_that_does_not_work_stops_everything_from_being_pushed(checkout: Path, docker: Path) -> None:
    done = script(checkout, "build-images", "--push", FAILS="deployments.health")
    assert done.returncode != 0
    assert "push" not in docker.read_text()
    assert done.stdout == ""


def test_without_push_nothing_is_pushed(checkout: Path, docker: Path) -> None:
    assert script(checkout, "build-images").returncode == 0
    assert "push" not in docker.read_text()


def test_registration_asks_for_a_server_only_when_there_is_something_to_register(checkout: Path) -> None:
    nothing = script(checkout, "register-models", PREFECT_API_URL="")
    assert (nothing.returncode, nothing.stdout) == (0, "No contribution has changed.\n")
    told = script(checkout, "register-models", "models/roof_dots", PREFECT_API_URL="")
    assert told.returncode != 0
    assert "PREFECT_API_URL" in told.stderr
    asked = script(
        checkout,
        "register-models",
        "models/roof_dots",
        PREFECT_API_URL="http://127.0.0.1:1/api",
        PYTHON="echo",
    )
    assert asked.stdout == "-m deployments.register models/roof_dots\n"
