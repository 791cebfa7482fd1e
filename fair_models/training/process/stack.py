"""The ZenML stack that the settings ask for: where steps keep what they hand on, and which tracker is beside.

With nothing asked for it is ZenML's own stack `default`. Otherwise it is the stack `fair-models`, whose parts
are named after what they are: a changed setting makes another part and puts it into the stack, and what was
written by the former one can still be read through it. Steps always run in the process of the training.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Any, Literal

from filelock import FileLock

from fair_models.errors import Invalid
from fair_models.settings import Settings

DEFAULT = "default"
NAME = "fair-models"
LOGIN = "fair-models-mlflow"
"""ZenML's secret with the token of an MLflow server; only the tracker in ZenML's stack needs it."""

LOCK_S = 120.0
"""How long another process may take to arrange the same stack, in seconds."""

_BASE = frozenset({"orchestrator", "artifact_store"})
"""What the stack has of ZenML's own where nothing else is asked for."""

Kind = Literal["artifact_store", "experiment_tracker"]


@dataclass(frozen=True)
class Part:
    """One component of the stack.

    kind: ZenML's word for what it does.
    flavor: ZenML's word for how.
    config: As ZenML takes it. It holds no secret: credentials come from the environment.
    """

    kind: Kind
    flavor: str
    config: tuple[tuple[str, str], ...]

    @property
    def name(self) -> str:
        """The same for the same settings, on every machine."""
        said = json.dumps([self.kind, self.flavor, self.config])
        return f"{NAME}-{self.flavor}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"


def wanted(settings: Settings) -> tuple[Part, ...]:
    """The parts that the settings ask for besides those of ZenML's own stack.

    Raises:
        Invalid: The place of the artifacts is no bucket, or MLflow's address cannot be a part.
    """
    parts = []
    if settings.zenml_artifacts:
        if not settings.zenml_artifacts.startswith("s3://"):
            raise Invalid(
                f"FAIR_ZENML_ARTIFACTS is {settings.zenml_artifacts}, which is no s3://bucket/prefix. "
                "Correct it, or unset it to keep artifacts under FAIR_HOME"
            )
        path = settings.zenml_artifacts.rstrip("/")
        parts.append(Part("artifact_store", "s3", (("path", path),)))
    if settings.zenml_tracker == "mlflow":
        parts.append(Part("experiment_tracker", "mlflow", tuple(_tracker(settings.mlflow_uri).items())))
    return tuple(parts)


def arrange(client: Any, settings: Settings) -> str:
    """See to it that the stack is as the settings ask, and that this process uses it.

    Nothing is written where all is as it should be. Two processes that do it at once end with one stack.

    Args:
        client: ZenML's, from `zenml_client`.
        settings: Of this process.

    Returns:
        The name of the stack.
    """
    parts = wanted(settings)
    os.environ.pop(
        "ZENML_ACTIVE_STACK_ID", None
    )  # it would make ZenML keep a stack as it was when first read
    if not is_right(client, parts):
        with FileLock(settings.home / "zenml" / "stack.lock", timeout=LOCK_S):
            if not is_there(client, parts):
                _put(client, parts)
            client.activate_stack(client.get_stack(_name(parts), allow_name_prefix_match=False).id)
    return _name(parts)


def is_right(client: Any, parts: tuple[Part, ...]) -> bool:
    """Whether the stack with these parts is there and active."""
    active = client.active_stack_model
    return bool(active.name == _name(parts)) and _has(active, parts) and is_there(client, parts)


def is_there(client: Any, parts: tuple[Part, ...]) -> bool:
    """Whether ZenML has the stack with these parts."""
    try:
        return _has(client.get_stack(_name(parts), allow_name_prefix_match=False), parts)
    except KeyError:
        return False


def _name(parts: tuple[Part, ...]) -> str:
    return NAME if parts else DEFAULT


def _has(stack: Any, parts: tuple[Part, ...]) -> bool:
    return not parts or _held(stack) == {part.kind: part.name for part in parts}


def _held(stack: Any) -> dict[str, str]:
    """Names of the parts that are ours, by kind."""
    found = {str(kind.value): held[0].name for kind, held in stack.components.items() if held}
    return {kind: name for kind, name in found.items() if name.startswith(f"{NAME}-")}


def _put(client: Any, parts: tuple[Part, ...]) -> None:
    """Make the stack, or bring the one that exists up to date."""
    from zenml.exceptions import EntityExistsError

    own = client.get_stack(DEFAULT, allow_name_prefix_match=False).components
    wanted: dict[Any, list[Any]] = {kind: [held[0].id] for kind, held in own.items() if kind.value in _BASE}
    for part in parts:
        component = _component(client, part)
        wanted[component.type] = [component.id]
    try:
        stack = client.get_stack(NAME, allow_name_prefix_match=False)
    except KeyError:
        try:
            client.create_stack(NAME, wanted)
            return
        except EntityExistsError:  # another machine was faster
            stack = client.get_stack(NAME, allow_name_prefix_match=False)
    gone: dict[Any, list[Any]] = {kind: [] for kind in stack.components if kind not in wanted}
    client.update_stack(stack.id, component_updates={**wanted, **gone})


def _component(client: Any, part: Part) -> Any:
    """The component of a part: the one that there is, else a new one."""
    from zenml.enums import StackComponentType
    from zenml.exceptions import EntityExistsError

    kind = StackComponentType(part.kind)
    _require_secrets(client, part)
    try:
        return client.create_stack_component(part.name, part.flavor, kind, dict(part.config))
    except EntityExistsError:
        return client.get_stack_component(kind, part.name, allow_name_prefix_match=False)


def _tracker(address: str) -> dict[str, str]:
    """ZenML wants a login for every MLflow server. It is named here, and kept in ZenML's own secrets."""
    if not address.startswith(("http://", "https://")):
        return {"tracking_uri": address}
    return {"tracking_uri": address, "tracking_token": f"{{{{{LOGIN}.token}}}}"}


def _require_secrets(client: Any, part: Part) -> None:
    if "tracking_token" not in dict(part.config):
        return
    try:
        client.get_secret(LOGIN)
    except KeyError as error:
        raise Invalid(
            f"The tracker of the ZenML stack needs the secret {LOGIN}, which ZenML does not have. Make it: "
            f"zenml secret create {LOGIN} --token=TOKEN. Or unset FAIR_ZENML_TRACKER: curves go to MLflow "
            "either way"
        ) from error
