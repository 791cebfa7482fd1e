"""Lists page by page: the options by which they are chosen, and how a page is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from fair_models.choices import Choice, Page
from fair_models.cli import output
from fair_models.cli.options import text_of

Where = Annotated[
    list[str] | None,
    typer.Option(
        "--where",
        metavar="CONDITION",
        help="name contains WORD · id = ID or ID · task = TASK · keyword = WORD · trained · pinned · "
        "fair:METRIC > NUMBER; each also with 'not ' before it; or CQL2 text. All must hold.",
    ),
]
Limit = Annotated[int, typer.Option("--limit", help=text_of(Choice, "limit"), show_default=False)]
Cursor = Annotated[str | None, typer.Option("--cursor", help=text_of(Choice, "cursor"))]


def show_page(
    page: Page[Any], rows: Sequence[Mapping[str, Any]], documents: Sequence[Any], titles: tuple[str, str]
) -> None:
    """Print a page, and how to get the next one.

    Args:
        page: What was found.
        rows: The same for people.
        documents: The same for programs.
        titles: Heading of the table, and the message if nothing was found.
    """
    if output.wants_json():
        output.show_json({"found": list(documents), "next": page.next})
        return
    output.show_rows(titles[0], rows, titles[1])
    if page.next is not None:
        output.say(f"There is more. Run the same command again with --cursor {page.next}")
