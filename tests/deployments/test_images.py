"""The images, as far as they can be known without building them."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deployments import health
from deployments.deploy import CHECKOUT, read

BASE = CHECKOUT / "deployments" / "images" / "Dockerfile"
TEMPLATES = (CHECKOUT / "fair_models" / "contract" / "scaffold_files").glob("*/Dockerfile.tmpl")
DOCKERFILES = [BASE, *sorted((CHECKOUT / "models").glob("*/Dockerfile")), *TEMPLATES]
each_dockerfile = pytest.mark.parametrize(
    "path", DOCKERFILES, ids=lambda path: f"{path.parent.name}/{path.name}"
)


def stages(text: str) -> dict[str, list[str]]:
    """Instructions of each stage, those of the stages that it is built on first."""
    found: dict[str, list[str]] = {}
    name = ""
    for line in text.replace("\\\n", " ").splitlines():
        if start := re.fullmatch(r"FROM (\S+) AS (\w+)", line):
            name = start[2]
            found[name] = list(found.get(start[1], ()))
        elif name and line and not line.startswith("#"):
            found[name].append(line)
    return found


@each_dockerfile
def test_the_linter_of_dockerfiles_finds_nothing(path: Path, tmp_path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("$${", "${")
    (tmp_path / "Dockerfile").write_text(text, encoding="utf-8")
    linter = Path(sys.executable).with_name("hadolint")
    found = subprocess.run([linter, tmp_path / "Dockerfile"], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


@each_dockerfile
def test_targets_run_as_nobody_in_particular_and_have_a_health_command(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("$${", "${")
    targets = {name: lines for name, lines in stages(text).items() if name != "base"}
    assert {"inference", "training"} <= set(targets)
    for name, lines in targets.items():
        assert [line for line in lines if line.startswith("USER")][-1] == "USER 10001"
        [check] = [line for line in lines if line.startswith("HEALTHCHECK")]
        assert f'CMD ["python", "-m", "deployments.health", "{name}"]' in check
    for image in re.findall(r"^(?:FROM|ARG \w+=) ?(\S+:\S+)", text, re.M):
        assert re.search(r":\d+\.\d+\.\d+", image), image
    assert "index-url" not in text
    assert "index_url" not in text


def test_models_are_built_on_the_images_of_this_version() -> None:
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        version = tomllib.load(file)["project"]["version"]
    for path in DOCKERFILES[1:]:
        for target in ("inference", "training"):
            line = f"ARG {target.upper()}=ghcr.io/hotosm/fair-models/{target}:{version}"
            assert line in path.read_text(encoding="utf-8")


def extras(target: str) -> list[str]:
    [line] = [each for each in stages(BASE.read_text(encoding="utf-8"))[target] if "pip install" in each]
    assert "--constraint constraints.txt" in line
    found = re.search(r'"\.\[([\w,]+)\]"', line)
    assert found
    return found[1].split(",")


def installed_by(target: str) -> set[str]:
    """Every distribution that the image's install brings, by what the installed ones ask for."""
    with (CHECKOUT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    wanted = [
        *project["dependencies"],
        *(each for name in extras(target) for each in project["optional-dependencies"][name]),
    ]
    found: set[str] = set()
    queue = [(Requirement(each), "") for each in wanted]
    seen: set[tuple[str, str]] = set()
    while queue:
        requirement, _ = queue.pop()
        name = canonicalize_name(requirement.name)
        for extra in ("", *requirement.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            found.add(name)
            try:
                needs = metadata.requires(name) or []
            except metadata.PackageNotFoundError:
                continue
            for need in map(Requirement, needs):
                if need.marker is None or need.marker.evaluate({"extra": extra}):
                    queue.append((need, extra))
    return found


def test_the_image_for_predictions_brings_neither_torch_nor_zenml() -> None:
    small, large = installed_by("inference"), installed_by("training")
    assert {"numpy", "onnxruntime", "prefect", "psycopg", "boto3"} <= small
    assert not small & {"torch", "zenml", "mlflow", "onnx", "onnxscript"}
    assert {"torch", "zenml", "mlflow"} <= large
    assert {"prefect-redis", "prefect-kubernetes", "mlflow"} <= installed_by("services")


def test_the_image_of_the_registry_service_runs_no_model_and_no_flow() -> None:
    brought = installed_by("registry")
    assert {"fastapi", "uvicorn", "stac-fastapi-api", "psycopg", "sqlalchemy"} <= brought
    assert not brought & {"torch", "zenml", "mlflow", "prefect", "stac-fastapi-pgstac"}


def test_every_package_of_an_image_is_pinned() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pinned = {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line}
    for target in ("inference", "training", "services", "registry"):
        present = {name for name in installed_by(target) if _is_installed(name)}
        assert present <= pinned


def _is_installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """What the image for predictions has under /app, by its COPY lines."""
    folder = tmp_path / "app"
    folder.mkdir()
    return copied("inference", folder)


def copied(target: str, folder: Path) -> Path:
    for line in stages(BASE.read_text(encoding="utf-8"))[target]:
        if line.startswith("COPY"):
            *sources, into = line.split()[1:]
            for source in sources:
                if (CHECKOUT / source).is_dir():
                    shutil.copytree(
                        CHECKOUT / source, folder / into, ignore=shutil.ignore_patterns("__pycache__")
                    )
                else:
                    shutil.copy(CHECKOUT / source, folder / into)
    return folder


ONLY = """
import importlib.abc, importlib.metadata, sys
from packaging.utils import canonicalize_name
allowed = set(sys.argv.pop(1).split(","))
owners = {}
for module, names in importlib.metadata.packages_distributions().items():
    owners[module] = {canonicalize_name(name) for name in names}
class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top in owners and not owners[top] & allowed:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Missing())
"""
"""Makes a process see the packages of an image alone."""


def run_in_image(app: Path, target: str, code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT")}
    environment |= {"PYTHONPATH": str(app), "FAIR_HOME": str(app.parent / "state"), "OMP_NUM_THREADS": "1"}
    environment["PREFECT_HOME"] = str(app.parent / "prefect")
    allowed = ",".join(installed_by(target) | {"fair-models"})
    command = [sys.executable, "-c", ONLY + code, allowed, *arguments]
    return subprocess.run(command, cwd=app, env=environment, capture_output=True, text=True, check=False)


SHARDS = [
    each["entrypoint"]
    for each in read(CHECKOUT / "prefect.yaml")["deployments"]
    if each["name"].startswith("predict")
]


def test_the_image_for_predictions_can_load_them_and_finds_itself_healthy(app: Path, tmp_path: Path) -> None:
    code = f"""
import importlib, sys
from prefect.flows import load_flow_from_entrypoint
for entrypoint in {SHARDS!r}:
    assert load_flow_from_entrypoint(entrypoint).name
for name in ("prediction", "streaming", "writing.geoparquet", "session"):
    importlib.import_module(f"fair_models.inference.{{name}}")
import fair_models, numpy, onnxruntime
assert fair_models.__file__.startswith({str(app)!r}), fair_models.__file__
heavy = {{"torch", "zenml", "mlflow"}} & set(sys.modules)
assert not heavy, heavy
from deployments import health
assert health.problems("inference") == [], health.problems("inference")
assert "torch is not installed" in health.problems("training")
files = [str(getattr(module, "__file__", None)) for module in list(sys.modules.values())]
outside = [file for file in files if file.startswith({str(CHECKOUT)!r}) and ".venv" not in file]
assert not outside, outside
print("fine")
"""
    done = run_in_image(app, "inference", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("fine")


def test_the_health_command_fails_where_a_package_is_too_many() -> None:
    assert {"torch is installed", "zenml is installed"} <= set(health.problems("inference"))


def test_docker_is_handed_what_the_images_copy_and_no_secret() -> None:
    lines = (CHECKOUT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_in = {line[1:] for line in lines if line.startswith("!")}
    used = set()
    for instructions in stages(BASE.read_text(encoding="utf-8")).values():
        for line in instructions:
            if line.startswith("COPY"):
                used |= set(line.split()[1:-1])
    assert "*" in lines
    assert let_in == used
    assert "**/.env" in lines
