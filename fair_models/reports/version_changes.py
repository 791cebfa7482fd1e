"""What is new in a version of a dataset, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fair_models.types import Json

_LABELS = {
    "added": "{} added",
    "removed": "{} removed",
    "moved": "{} moved or with another outline",
    "reclassified": "{} of another class",
}
_CHIPS = {
    "added": "{} added",
    "removed": "{} removed",
    "changed": "{} with other pixels",
    "moved": "{} in another place",
    "renamed": "{} with another name",
    "captions": "{} with other captions",
}


def sentences(record: Json) -> list[str]:
    """What a dataset's `fair:changes` says, for people; none where labels, chips and split are as they were.

    Args:
        record: The property.
    """
    since, labels, chips = record["since"], record["labels"], record["chips"]
    split = record["split"]
    told = [
        *_counted(f"Labels since {since}", labels, _LABELS, _with_chips(labels)),
        *_counted(f"Chips since {since}", chips, _CHIPS),
    ]
    if count := split.get("held_out_to_train"):
        told.append(
            f"{_chips(count)} held out in {since}, used for training now: a model that is trained on this "
            f"version has learnt from them, which favours it where it is measured on {since}"
        )
    if count := split.get("train_to_held_out"):
        told.append(
            f"{_chips(count)} used for training in {since}, held out now: models that were trained on "
            f"{since} have learnt from them, which favours these where they are measured on this version"
        )
    return told


def _counted(
    subject: str, counts: Mapping[str, int], words: Mapping[str, str], end: str = ""
) -> Iterator[str]:
    said = [text.format(counts[name]) for name, text in words.items() if counts.get(name)]
    if said:
        yield f"{subject}: {', '.join(said)}{end}"


def _with_chips(labels: Mapping[str, int]) -> str:
    """How many labels came or went with their chips, which says nothing of the ground."""
    said = [
        f"{count} of those {word} {why}"
        for name, word, why in (
            ("added_with_chips", "added", "lie on new chips"),
            ("removed_with_chips", "removed", "lay on chips that are no more"),
        )
        if (count := labels.get(name))
    ]
    return f" ({'; '.join(said)})" if said else ""


def _chips(count: int) -> str:
    return "1 chip" if count == 1 else f"{count} chips"
