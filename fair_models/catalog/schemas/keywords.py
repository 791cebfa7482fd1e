"""The vocabulary of keywords. Which words go together is said in schemas/keywords.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache

from fair_models.catalog.schemas import own as own_schemas
from fair_models.errors import Invalid
from fair_models.json_schema import sentences

SEARCH = "similarity-search"
"""The task whose labels are captions: what images show is said in them, whether it is mapped or not."""


@dataclass(frozen=True)
class Vocabulary:
    """Words by kind.

    features: What is mapped, e.g. "building".
    tasks: Tasks of the MLM extension, e.g. "semantic-segmentation".
    geometries: "polygon", "line", "point".
    imagery: What the imagery was taken from, e.g. "drone".
    label_tasks: For a task the word that the label extension has for it, e.g. "segmentation".
    derived_from: For a task of labels those whose labels say as much: outlines of buildings say which chips
        hold any.
    """

    features: frozenset[str]
    tasks: frozenset[str]
    geometries: frozenset[str]
    imagery: frozenset[str]
    label_tasks: Mapping[str, str]
    derived_from: Mapping[str, Sequence[str]]


@cache
def vocabulary() -> Vocabulary:
    """All words that a keyword may be."""
    words = own_schemas.read("keywords")["$defs"]
    return Vocabulary(
        features=frozenset(words["feature"]["enum"]),
        tasks=frozenset(words["task"]["enum"]),
        geometries=frozenset(words["geometry"]["enum"]),
        imagery=frozenset(words["imagery"]["enum"]),
        label_tasks=words["task"]["x-label-tasks"],
        derived_from=words["label_task"]["x-derived-from"],
    )


def features(keywords: Iterable[str]) -> frozenset[str]:
    """The features among keywords."""
    return vocabulary().features & set(keywords)


def geometries(keywords: Iterable[str]) -> frozenset[str]:
    """The geometries among keywords."""
    return vocabulary().geometries & set(keywords)


def label_tasks(keywords: Iterable[str]) -> list[str]:
    """What the label extension calls the tasks among keywords, e.g. ["segmentation"]; in order, each once."""
    known = vocabulary().label_tasks
    return list(dict.fromkeys(known[word] for word in keywords if word in known))


def usable_label_tasks(keywords: Iterable[str]) -> list[str]:
    """Which tasks of labels train the tasks among keywords: their own, and those they are derived from."""
    own = label_tasks(keywords)
    derived = [other for task in own for other in vocabulary().derived_from.get(task, ())]
    return list(dict.fromkeys([*own, *derived]))


def of_classes(classes: Sequence[str], tasks: Sequence[str]) -> list[str]:
    """Keywords that belong to labels of some classes, where nobody gave any.

    Args:
        classes: Class names without the background.
        tasks: What else is said of the labels, e.g. ["semantic-segmentation", "polygon"].

    Raises:
        Invalid: No class is a word of the vocabulary, so that nobody knows what is mapped; proposes some.
    """
    known = vocabulary().features
    words = [name.replace("_", "-") for name in classes]
    found = [word for word in words if word in known]
    if found:
        return [*dict.fromkeys(found), *tasks]
    near = [each for word in words for each in get_close_matches(word, sorted(known), n=2, cutoff=0.6)]
    proposed = " or ".join(dict.fromkeys(near)) or "building, road or tree"
    options = " ".join(f"--keyword {word}" for word in (near[0] if near else "building", *tasks))
    raise Invalid(
        f"What do labels of {', '.join(classes)} map? That is no word of the vocabulary; name one that is "
        f"(keywords), perhaps {proposed}: {options}. All are in schemas/keywords.json"
    )


def problems(keywords: Iterable[str], kind: str = "dataset") -> list[str]:
    """What is wrong with keywords: unknown words, and words that do not go together.

    Args:
        keywords: The words.
        kind: Whose they are: "dataset" or "model".
    """
    checker = own_schemas.checker(f"keywords.json#/$defs/{kind}")
    return sentences.sentences(checker.violations(list(keywords)), root="keywords")
