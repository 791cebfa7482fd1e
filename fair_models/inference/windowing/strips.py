"""The order in which a block is worked off: strips from top to bottom, and the windows of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from fair_models.inference.imagery.reading import Block
from fair_models.inference.windowing.run import Model
from fair_models.inference.windows import Rectangle, View, WindowRule, cut, rule_for


@dataclass(frozen=True)
class Strip:
    """Rows of a block that are finished together.

    block: The block.
    area: The rows, over its whole width.
    views: Windows whose cores lie in them, without those that see no imagery.
    """

    block: Block
    area: Rectangle
    views: tuple[View, ...]

    @property
    def is_last(self) -> bool:
        """Whether its block ends with it."""
        return self.area.row + self.area.height == self.block.grid.height


def strips_of(block: Block, model: Model) -> Iterator[Strip]:
    """Strips of one row of windows each."""
    everything = Rectangle(0, 0, block.grid.height, block.grid.width)
    views = cut(everything, rule_for(model.session.size_px, model.multiple_px), block.name)
    for (row, height), in_row in groupby(views, lambda view: (view.core.row, view.core.height)):
        seen = tuple(view for view in in_row if block.has_imagery(view.core))
        yield Strip(block, Rectangle(row, 0, height, block.grid.width), seen)


def strip_of_sources(block: Block, model: Model, cell_px: int) -> Strip:
    """The whole block as one strip, for models that judge images as wholes.

    Each window sees one chip or cell, and nothing of the next.
    """
    views: list[View] = []
    for name, area in block.sources(cell_px).items():
        size = model.session.size_px or max(area.height, area.width)
        rule = WindowRule(size, 0, model.multiple_px, fixed=not model.session.dynamic)
        views += cut(area, rule, name)
    return Strip(block, Rectangle(0, 0, block.grid.height, block.grid.width), tuple(views))
