"""The result of a run: one row for programs, and the same for people."""

from __future__ import annotations

from fair_models.numbers import with_interval
from fair_models.outcomes import Outcome
from fair_models.reports import markdown
from fair_models.reports.artifacts import Table
from fair_models.types import Json


def result(outcome: Outcome, catalog: str) -> Table:
    """The artifact `result`: the row, and above it the same for people with what each field is.

    Args:
        outcome: What the run hands back.
        catalog: The catalogue that it works on.
    """
    row, fields = outcome.row(), type(outcome).model_fields
    told = [
        {"Field": f"`{name}`", "Value": value, "What it is": fields[name].description}
        for name, value in for_people(row).items()
    ]
    href, item = str(row.get("href") or ""), row.get("item")
    link = f"Item: [{item}]({href})\n\n" if item and href.startswith(("https://", "http://")) else ""
    return Table("result", [row], f"{markdown.table(told)}\n\n{link}Catalogue: `{catalog}`")


def for_people(row: Json) -> Json:
    """A row without empty fields, and with a value's interval beside it."""
    if row.get("low") is not None:
        row = {**row, "value": with_interval(row["value"], row["low"], row["high"])}
    return {
        name: value for name, value in row.items() if value not in (None, "") and name not in {"low", "high"}
    }
