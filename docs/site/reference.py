"""The pages of the reference that are generated from the code, so that they say what it does today."""

from __future__ import annotations

import ast
import inspect
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel

from fair_models import errors, outcomes
from fair_models.audit.rules import RULES
from fair_models.cli.app import exit_code, load
from fair_models.cli.commands import COMMANDS
from fair_models.client import status
from fair_models.client.requests import DEPLOYMENTS
from fair_models.params import CutChipsParams, PredictShardsParams
from fair_models.settings import Settings
from fair_models.training.config.run_config import RunConfig
from fair_models.web.app import create_app
from fair_models.web.registry import Registry

PROJECT = Path(__file__).resolve().parents[2]

INNER = {"train": RunConfig, "predict-shards": PredictShardsParams, "cut-chips": CutChipsParams}
"""Deployments that others start, and what they take."""

OTHER_VARIABLES = {
    "PREFECT_API_URL": "Address of the Prefect API. Default: the local server.",
    "PREFECT_API_AUTH_STRING": "User and password of the Prefect API: `user:password`.",
    "MLFLOW_TRACKING_URI": "Address of an MLflow server. Default: SQLite under `FAIR_HOME`.",
    "ZENML_STORE_URL, ZENML_STORE_API_KEY": "Address of a ZenML server, and its key. "
    "Default: SQLite under `FAIR_HOME`.",
    "AWS_REGION, AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, "
    "AWS_SESSION_TOKEN": "Where buckets are, and who asks. boto3 reads them.",
    "FAIR_IDEMPOTENCY_KEY": "Key of the request that a command sends, as `--idempotency-key` does.",
    "FAIR_DEBUG": "`1` shows tracebacks of the command line.",
}
"""Variables that are not fields of the settings."""


@cache
def pages() -> Mapping[str, str]:
    """The text of each page by its file name."""
    return {
        "cli.md": command_line(),
        "settings.md": settings(),
        "parameters.md": parameters(),
        "outcomes.md": results(),
        "states.md": states(),
        "errors.md": error_classes(),
        "audit-rules.md": audit_rules(),
        "metrics.md": metrics(),
        "hyperparameters.md": hyperparameters(),
        "http-api.md": http_api(),
    }


def _cell(text: Any) -> str:
    """Text in a cell of a table. What looks like HTML stays as it is written."""
    return " ".join(str(text).split()).replace("|", r"\|").replace("<", "&lt;")


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[str]:
    head = list(head)
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---" for _ in head) + " |"
    for row in rows:
        yield "| " + " | ".join(_cell(cell) for cell in row) + " |"
    yield ""


def _page(*parts: str | Iterable[str]) -> str:
    lines: list[str] = []
    for part in parts:
        lines += [part, ""] if isinstance(part, str) else part
    return "\n".join(lines)


def _first(text: str | None) -> str:
    """The first sentence or paragraph of a docstring, in one line."""
    return " ".join((text or "").strip().partition("\n\n")[0].split())


# The command line


def command_line() -> str:
    """Each command with its arguments and options."""
    lines: list[str] = []
    for panel, commands in COMMANDS.items():
        lines += [f"## {panel.partition(' (')[0]}", ""]
        if " (" in panel:
            lines += [f"{panel.partition(' (')[2].rstrip(')').capitalize()}.", ""]
        for name in commands:
            lines += _command(load(name), f"fair-models {name}")
    return _page(
        "# Command line",
        "Every command answers to `--help`. `fair-models --help` lists them.",
        _table(
            ["Exit code", "Means"],
            [
                ("0", "It is done."),
                ("1", "The run failed, or the audit found errors."),
                ("2", "The input is wrong."),
                ("3", "No server answers."),
                ("130", "You stopped following; the run goes on."),
            ],
        ),
        lines,
    )


def _command(command: Any, name: str, level: int = 3) -> Iterator[str]:
    yield f"{'#' * level} `{name}`"
    yield ""
    yield inspect.cleandoc(command.help or "").replace("\b\n", "").replace("<", "&lt;")
    yield ""
    inner = getattr(command, "commands", {})
    for each, its in inner.items():
        yield from _command(its, f"{name} {each}", level + 1)
    if inner:
        return
    shown = [each for each in command.params if each.name != "help" and not getattr(each, "hidden", False)]
    arguments = [_metavar(each) for each in shown if _is_argument(each)]
    yield "```text"
    yield " ".join([name, *(["[OPTIONS]"] if len(arguments) < len(shown) else []), *arguments])
    yield "```"
    yield ""
    if shown:
        yield from _table(["Option", "Is"], ((_option(each), _explained(each)) for each in shown))


def _is_argument(parameter: Any) -> bool:
    return not parameter.opts[0].startswith("-")


def _metavar(parameter: Any) -> str:
    word = parameter.metavar or parameter.opts[0].upper()
    word += "..." if getattr(parameter, "multiple", False) or parameter.nargs != 1 else ""
    return word if parameter.required else f"[{word}]"


def _option(parameter: Any) -> str:
    if _is_argument(parameter):
        return f"`{_metavar(parameter)}`"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    return names if parameter.is_flag else f"{names} `{parameter.metavar or _value(parameter)}`"


def _value(parameter: Any) -> str:
    """The kind of an option's value: its choices, or a word."""
    kind = parameter.type_descriptor.annotation
    kind = next(iter(get_args(kind)), kind) if get_origin(kind) is list else kind
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    return {int: "INTEGER", float: "NUMBER", Path: "PATH"}.get(kind, "TEXT")


def _explained(parameter: Any) -> str:
    text = parameter.help or ""
    if parameter.required:
        text += " Required."
    if getattr(parameter, "multiple", False):
        text += " May be given several times."
    return text.strip()


# The service over HTTP


def http_api() -> str:
    """Each route of the registry service, from its OpenAPI."""
    with tempfile.TemporaryDirectory() as home:
        app = create_app(Registry.open(Settings(home=Path(home), web_auth="tokens")))
    document = app.openapi()
    groups: dict[str, list[str]] = {}
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            lines = groups.setdefault((operation.get("tags") or ["Others"])[0], [])
            lines += _route(method.upper(), path, operation)
    parts = [part for name, lines in groups.items() for part in (f"## {name}", lines)]
    return _page(
        "# HTTP API",
        "Every route of the [registry service](../guides/web-service.md). `/api/docs` of a running service "
        "shows the same with all fields and tries it out, `/api/openapi.json` is for programs. Errors are "
        "[problem+json](https://www.rfc-editor.org/rfc/rfc9457).",
        *parts,
    )


def _route(method: str, path: str, operation: Any) -> Iterator[str]:
    yield f"### `{method} {path}`"
    yield ""
    yield _cell(f"{operation.get('summary', '')}. {_first(operation.get('description'))}")
    yield ""
    yield f"Needs {_needed(operation.get('security'))}."
    yield ""
    asked = operation.get("parameters", [])
    if asked:
        rows = (
            (
                f"`{each['name']}`",
                each["in"],
                each.get("description") or each["schema"].get("description", ""),
            )
            for each in asked
        )
        yield from _table(["Parameter", "In", "Is"], rows)


def _needed(security: Any) -> str:
    """What a caller has to show, in words."""
    scopes = sorted({scope for way in security or () for needed in way.values() for scope in needed})
    if not security:
        return "nothing"
    if {} in security:
        return "nothing for what is public"
    return f"a token with the scope {' and '.join(scopes)}" if scopes else "a token"


# Settings, parameters, results


def settings() -> str:
    """Each setting with its default."""
    rows = []
    for name, field in sorted(Settings.model_fields.items()):
        default = "" if field.default_factory or field.default is None else field.get_default()
        value = getattr(default, "get_secret_value", lambda said=default: said)()
        if isinstance(value, tuple | frozenset) or value == "":
            value = ""
        shown = f"`{json.dumps(value) if isinstance(value, dict) else value}`" if value != "" else ""
        rows.append((f"`FAIR_{name.upper()}`", shown, field.description))
    return _page(
        "# Settings",
        "Settings are environment variables. Set them for the workers, and for whoever uses the command "
        "line. "
        "Lists are written with commas between the values, or as JSON. Connections can also be "
        "[saved as blocks](../guides/blocks.md), which all flows then use.",
        _table(["Variable", "Default", "Is"], rows),
        "## Variables of other software",
        _table(
            ["Variable", "Is"],
            (
                (", ".join(f"`{each}`" for each in name.split(", ")), text)
                for name, text in OTHER_VARIABLES.items()
            ),
        ),
    )


def parameters() -> str:
    """Each deployment with what it takes."""
    listed = yaml.safe_load((PROJECT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    models = {**{name: model for model, name in DEPLOYMENTS.items()}, **INNER}
    lines: list[str] = []
    for deployment in listed:
        name = deployment["name"]
        lines += [f"## `{name}`", "", deployment["description"], ""]
        lines += [
            f"Work pool `{deployment['work_pool']['name']}`. Parameters: `{models[name].__name__}`.",
            "",
        ]
        lines += _model_tables(models[name])
    return _page(
        "# Deployments and their parameters",
        "Every deployment takes one object, `params`. No level of it takes unknown fields. A backend sends "
        '`{"parameters": {"params": {…}}}` ([how](../tutorials/backend.md)), Prefect\'s page shows it as a '
        "form, "
        "and the options of [the command line](cli.md) are made from it.",
        _table(
            ["Deployment", "Does"],
            [(f"[`{one['name']}`](#{one['name']})", one["description"]) for one in listed],
        ),
        lines,
    )


def _model_tables(model: type[BaseModel]) -> Iterator[str]:
    schema = model.model_json_schema()
    yield from _schema_table(schema)
    for name, inner in schema.get("$defs", {}).items():
        if inner.get("type") == "object" and inner.get("properties"):
            yield f"`{name}`: {_first(inner.get('description'))}"
            yield ""
            yield from _schema_table(inner)


def _schema_table(schema: Mapping[str, Any]) -> Iterator[str]:
    required = schema.get("required", ())
    yield from _table(
        ["Field", "Type", "Is"],
        (
            (f"`{name}`" + (" (required)" if name in required else ""), _kind(field), _told(field))
            for name, field in schema.get("properties", {}).items()
        ),
    )


def _kind(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(_kind(each) for each in field["anyOf"]))
    if "enum" in field:
        return ", ".join(f"`{each}`" for each in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    if field.get("type") == "object":
        return "object"
    word = {"string": "text", "boolean": "true or false", "null": "null"}.get(str(field.get("type", "any")))
    low, high = (
        field.get("minimum", field.get("exclusiveMinimum")),
        field.get("maximum", field.get("exclusiveMaximum")),
    )
    word = word or str(field.get("type", "any"))
    if low is not None and high is not None:
        return f"{word}, {low:,} to {high:,}"
    return word if low is None else f"{word}, from {low:,}"


def _told(field: Mapping[str, Any]) -> str:
    text = field.get("description", "")
    default = field.get("default")
    if default not in (None, "", [], {}) and "efault" not in text:
        text += f" Default: `{json.dumps(default)}`."
    return text.strip()


def results() -> str:
    """Each result with its columns."""
    by_model: dict[type[BaseModel], list[str]] = {}
    for name, model in outcomes.OUTCOMES.items():
        by_model.setdefault(model, []).append(name)
    lines: list[str] = []
    for model, names in by_model.items():
        lines += [f"## {', '.join(f'`{name}`' for name in names)}", "", f"`{model.__name__}`.", ""]
        further = inspect.getdoc(model) or ""
        lines += [" ".join(further.partition("\n\n")[2].split()), ""] if "\n\n" in further else []
        files = getattr(model, "files", ())
        schema = model.model_json_schema()["properties"]
        lines += _table(
            ["Column", "Type", "Is"],
            (
                (f"`{name}`", _kind(field), _told(field) + (" An address." if name in files else ""))
                for name, field in schema.items()
            ),
        )
    return _page(
        "# Results of runs",
        "Every run that completes leaves the artifact `result`: a table with one row. These are its columns. "
        "The Python client returns the same as typed objects of `fair_models.outcomes`. "
        "[Further tables and reports](../guides/artifacts.md) lie beside it.",
        lines,
    )


# States, errors, rules


def _docstrings_of(owner: type) -> dict[str, str]:
    """What stands below each attribute of a class."""
    [body] = [
        node for node in ast.walk(ast.parse(inspect.getsource(owner))) if isinstance(node, ast.ClassDef)
    ][:1]
    found = {}
    for one, two in pairwise(body.body):  # type: ignore[attr-defined]
        if isinstance(one, ast.Assign) and isinstance(two, ast.Expr) and isinstance(two.value, ast.Constant):
            found[one.targets[0].id] = _first(str(two.value.value))  # type: ignore[attr-defined]
    return found


def states() -> str:
    """Each word for a run's state, and the states of Prefect that it stands for."""
    told = _docstrings_of(status.Status)
    rows = []
    for word in status.Status:
        types = [f"`{kind}`" for kind, meant in status.BY_TYPE.items() if meant is word]
        names = [f"`{kind}` (`{name}`)" for (kind, name), meant in status.BY_NAME.items() if meant is word]
        rows.append(
            (f"`{word}`", "yes" if word.is_final else "", ", ".join(types + names), told.get(word.name, ""))
        )
    return _page(
        "# States of runs",
        "`client.status(run)`, `fair-models status RUN` and the field `status` of everything that the "
        "command "
        "line prints as JSON are one of these words. Over REST they come from `state_type` and "
        "`state_name`; a "
        "name that is not here counts by its type.",
        _table(["Word", "It is over", "`state_type` (and `state_name`)", "Means"], rows),
        "Flows of fair-models neither pause nor retry as a whole. A person may do either by hand on "
        "Prefect's pages.",
    )


def error_classes() -> str:
    """Each error with its exit code and the beginning of its message."""
    rows = []
    for name, kind in vars(errors).items():
        if not (inspect.isclass(kind) and issubclass(kind, errors.FairModelsError)) or name.startswith("_"):
            continue
        raised = kind.__new__(kind)
        sentence = getattr(kind, "sentence", "")
        rows.append(
            (
                f"`{name}`",
                " ".join((inspect.getdoc(kind) or "").split()),
                f"`{sentence.format(subject='…')}: …`" if sentence else "",
                exit_code(raised),
            )
        )
    tree = inspect.getdoc(errors) or ""
    tree = "\n".join(
        line for line in tree.splitlines() if line.startswith(("FairModelsError", "│", "├", "└", " "))
    )
    return _page(
        "# Errors",
        "Every error that fair-models raises on purpose is a `FairModelsError`. A message names the thing, "
        "the "
        "reason and the next step; where there are several reasons it lists all of them. A run that fails "
        "has "
        "the class and the message as the message of its state. "
        "[What to do about failures](../guides/failures.md) is a guide of its own.",
        "```text\n" + tree + "\n```",
        _table(["Error", "Means", "The message begins with", "Exit code"], rows),
    )


def audit_rules() -> str:
    """Each rule of the audit with its repair."""
    return _page(
        "# Rules of the audit",
        "`fair-models audit` checks these rules. `--rule NAME` checks some of them, `--repair` does what "
        "the last "
        "column says. [How to audit](../guides/audit.md) says when each runs.",
        _table(
            ["Rule", "Severity", "What is so when nothing is wrong", "Repair"],
            (
                (f"`{rule.name}`", rule.severity, rule.sentence, rule.repair.sentence if rule.repair else "–")
                for rule in RULES
            ),
        ),
    )


# Metrics and hyperparameters of the base models


def _items() -> dict[str, Mapping[str, Any]]:
    return {
        path.parent.name: json.loads(path.read_text(encoding="utf-8"))["properties"]
        for path in sorted((PROJECT / "models").glob("*/stac-item.json"))
    }


def metrics() -> str:
    """Each metric of the base models."""
    seen: dict[str, tuple[Mapping[str, Any], list[str]]] = {}
    for name, item in _items().items():
        for metric in item["fair:metrics_spec"]:
            seen.setdefault(metric["key"], (metric, []))[1].append(name)
    return _page(
        "# Metrics",
        "What the base models of this repository are measured by, as their items declare it. A model that is "
        "fine-tuned on other classes has the metrics of those classes. "
        "[How metrics are measured](../explanation/metrics.md) explains intervals and baselines; "
        "[what each model reaches](model-metrics.md) is a table.",
        _table(
            ["Key", "Name", "Is", "Better is", "Of"],
            (
                (
                    f"`{key}`",
                    metric["name"],
                    metric["description"],
                    "higher" if metric["higher_is_better"] else "lower",
                    ", ".join(f"`{each}`" for each in models),
                )
                for key, (metric, models) in seen.items()
            ),
        ),
    )


def hyperparameters() -> str:
    """Each hyperparameter of the base models, with its bounds."""
    lines: list[str] = []
    for name, item in _items().items():
        lines += [f"## `{name}`", "", f"{item['title']}. Licence: {item['license']}.", ""]
        lines += _table(
            ["Hyperparameter", "Type", "Default", "Allowed", "Is"],
            (
                (
                    f"`{each['key']}`",
                    each["type"],
                    f"`{each['default']}`",
                    _allowed(each),
                    each["description"],
                )
                for each in item["fair:hyperparameters_spec"]
            ),
        )
    return _page(
        "# Hyperparameters of the base models",
        "`--set KEY=VALUE` of `fair-models finetune` and `fair-models predict` sets one. A wrong value is "
        "refused "
        "before anything starts. `fair-models show MODEL` lists those of a published model.",
        lines,
    )


def _allowed(spec: Mapping[str, Any]) -> str:
    if "values" in spec:
        return ", ".join(f"`{each}`" for each in spec["values"])
    low, high = spec.get("min"), spec.get("max")
    return "" if low is None and high is None else f"{low} to {high}"
