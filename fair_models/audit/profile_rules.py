"""Rules over one item by itself."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from fair_models import licences as spdx
from fair_models.audit.findings import Problem
from fair_models.audit.scope import Entry, Scope
from fair_models.catalog import validation
from fair_models.catalog.items import assets
from fair_models.catalog.schemas import keywords
from fair_models.errors import InvalidItem
from fair_models.types import BASE_MODELS, DATASETS, LOCAL_MODELS, Json

CORRECT = "Correct the source and publish the next version."

_TOLD_BY_OTHERS = (
    "properties.keywords",
    "properties.license",
    "properties: lacks license",
    "properties.version: is",
    "properties.mlm:name: is",
)
"""Starts of what the rules `keywords`, `licences` and `version-numbers` say."""


def profile(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """One problem for each breach of the profile or of an official schema."""
    try:
        scope.unchecked.update(validation.validate(document, using=scope.settings).unchecked)
    except InvalidItem as error:
        metrics = tuple(f"properties.{key}: is" for key in entry.metrics)
        for reason in error.reasons:
            if not reason.startswith((*_TOLD_BY_OTHERS, *metrics)):
                yield Problem(entry.label, reason, CORRECT)


def vocabulary(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Keywords that are unknown, missing, or do not go together."""
    kind = "dataset" if entry.collection == DATASETS else "model"
    words = document["properties"].get("keywords")
    if not isinstance(words, list):
        yield Problem(entry.label, "it has no keywords, so nobody finds it", CORRECT)
        return
    for sentence in _said_of(tuple(map(str, words)), kind):
        yield Problem(entry.label, sentence, CORRECT)
    tasks = document["properties"].get("mlm:tasks", words)
    for word in words:
        is_task = isinstance(word, str) and word in keywords.vocabulary().tasks
        if is_task and entry.collection != DATASETS and word not in tasks:
            yield Problem(
                entry.label, f"keywords: has the task {word}, mlm:tasks says {', '.join(tasks)}", CORRECT
            )


def licences(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Items that nobody may use, because they name no licence, or one that is not allowed here."""
    named = document["properties"].get("license")
    allowed = scope.params.licences
    if not isinstance(named, str) or not named.strip():
        yield Problem(entry.label, "it names no licence", CORRECT)
    elif wrong := spdx.problem(named):
        yield Problem(entry.label, f"its licence {wrong}", CORRECT)
    elif allowed and named not in allowed:
        yield Problem(
            entry.label,
            f"its licence {named} is not allowed here, only {', '.join(allowed)}",
            "Archive it, or add the licence to those that the audit allows.",
        )


def images(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Runtimes whose image may become another one without anybody noticing."""
    if entry.collection not in (BASE_MODELS, LOCAL_MODELS):
        return
    for key, asset in document["assets"].items():
        href = asset["href"]
        runtime = not assets.RUNTIMES.isdisjoint(asset.get("roles", ()))
        if runtime and not href.startswith("local:") and not assets.is_pinned(href):
            yield Problem(
                entry.label,
                f"the image of its {key} is named without a digest: {href}",
                "Name the image by its digest (@sha256:…) and publish the next version.",
            )


def measured(entry: Entry, document: Json, scope: Scope) -> Iterator[Problem]:
    """Local models that say nothing of how good they are."""
    if entry.collection != LOCAL_MODELS:
        return
    properties = document["properties"]
    for place, (key, value) in enumerate(entry.metrics.items()):
        if key not in properties:
            yield Problem(
                entry.label, f"it has no value of {key}, which its fair:metrics_spec names", CORRECT
            )
        elif value is None and properties[key] is not None:
            yield Problem(entry.label, f"{key} is {properties[key]!r}, which is no number", CORRECT)
        elif value is None and place == 0:
            yield Problem(
                entry.label,
                f"its main metric {key} was not measured",
                "Train on a dataset that holds chips out, and promote that version.",
            )


@lru_cache(maxsize=1000)
def _said_of(words: tuple[str, ...], kind: str) -> list[str]:
    return keywords.problems(words, kind)
