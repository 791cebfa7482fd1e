"""What the output of a detector should say for known boxes, and how far it is from that. Needs torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from fair_models.ml_tasks.detection.processing import STRIDE, USUAL_PX
from fair_models.ml_tasks.detection.targets import FILLING, IGNORED

_SPREAD = 0.54 / 6
"""Standard deviation of the hill around a centre as a share of the box's side (Liu et al. 2019, TTFNet)."""

_MIN_SPREAD = 0.4
"""In cells: the neighbours of the smallest building's centre are a little right too."""

_NEAR = 0.1
"""Cells whose hill is higher than this learn the size of the box."""


@dataclass(frozen=True)
class Aims:
    """What each cell should say.

    centres: How near the centre of a box of each class is, 1 at the centre, float32, shape (n, classes - 1,
        rows, columns).
    boxes: The box that each cell belongs to, in pixels, shape (n, 4, rows, columns).
    weights: How much its box counts there, shape (n, rows, columns); 0 away from centres.
    counts: Whether what is said there counts, 0 or 1, shape (n, 1, rows, columns); 0 on ground to ignore.
    """

    centres: Tensor
    boxes: Tensor
    weights: Tensor
    counts: Tensor


def aims(targets: Tensor, class_count: int, rows: int, columns: int) -> Aims:
    """What the output should say.

    Args:
        targets: As `targets.from_labels` gives them, float32, shape (n, boxes, 5).
        class_count: Classes without the background.
        rows: Rows of the output.
        columns: Its columns.
    """
    real = targets[..., 4] != FILLING
    targets = targets[:, : max(1, int(real.sum(dim=1).max()))]
    boxes, classes = targets[..., :4], targets[..., 4]
    # Cells are addressed by the one that the centre lies in, so that each hill has a top of exactly 1.
    down = _hill(boxes[..., 1], boxes[..., 3], rows)
    across = _hill(boxes[..., 0], boxes[..., 2], columns)
    hills = down[..., :, None] * across[..., None, :] * (classes < IGNORED)[..., None, None]
    centres = torch.stack(
        [(hills * (classes == index)[..., None, None]).amax(dim=1) for index in range(1, class_count + 1)],
        dim=1,
    )
    height, owner = hills.max(dim=1)
    flat = owner.flatten(1)[..., None].expand(-1, -1, 4)
    owned = boxes.gather(1, flat).transpose(1, 2).reshape(len(boxes), 4, rows, columns)
    skipped = _inside(boxes[..., 1], boxes[..., 3], rows)[..., :, None]
    skipped = skipped & _inside(boxes[..., 0], boxes[..., 2], columns)[..., None, :]
    skipped = (skipped & (classes == IGNORED)[..., None, None]).any(dim=1) & (height <= _NEAR)
    return Aims(centres, owned, height * (height > _NEAR), (~skipped)[:, None].to(centres.dtype))


def centre_loss(logits: Tensor, centres: Tensor, counts: Tensor | float = 1.0) -> Tensor:
    """Focal loss of the centres, for each centre (Zhou et al. 2019, https://arxiv.org/abs/1904.07850).

    Args:
        logits: What the network says of the centres, shape (n, classes - 1, rows, columns).
        centres: What it should say, same shape.
        counts: Which cells count, of `Aims`. Default: all.
    """
    likely = logits.sigmoid()
    log_likely, log_not = functional.logsigmoid(logits), functional.logsigmoid(-logits)
    top = centres == 1
    at_tops = ((1 - likely) ** 2 * log_likely * top).sum()
    elsewhere = ((1 - centres) ** 4 * likely**2 * log_not * ~top * counts).sum()
    return -(at_tops + elsewhere) / top.sum().clamp(min=1)


def box_loss(sizes: Tensor, aim: Aims) -> Tensor:
    """One minus the generalised IoU of the boxes near centres (https://arxiv.org/abs/1902.09630).

    Args:
        sizes: Offsets and logarithms of sizes, see `processing.found_objects`, shape (n, 4, rows, columns).
        aim: What they should say.
    """
    rows, columns = sizes.shape[-2:]
    y = (torch.arange(rows, device=sizes.device)[:, None] + 0.5 + sizes[:, 1]) * STRIDE
    x = (torch.arange(columns, device=sizes.device) + 0.5 + sizes[:, 0]) * STRIDE
    half = USUAL_PX / 2 * sizes[:, 2:].clamp(-4, 4).exp()
    low = torch.stack([x - half[:, 0], y - half[:, 1]], dim=1)
    high = torch.stack([x + half[:, 0], y + half[:, 1]], dim=1)
    true_low, true_high = aim.boxes[:, :2], aim.boxes[:, 2:]
    shared = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0).prod(dim=1)
    either = (high - low).prod(dim=1) + (true_high - true_low).prod(dim=1) - shared
    around = (torch.maximum(high, true_high) - torch.minimum(low, true_low)).prod(dim=1)
    wrong = 1 - shared / either.clamp(min=1) + (around - either) / around.clamp(min=1)
    return (wrong * aim.weights).sum() / aim.weights.sum().clamp(min=1)


def _inside(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Which cells have their middle within each box along one axis, shape (n, boxes, cells)."""
    middles = (torch.arange(cells, device=low.device) + 0.5) * STRIDE
    return (middles >= low[..., None]) & (middles <= high[..., None])


def _hill(low: Tensor, high: Tensor, cells: int) -> Tensor:
    """Height of the hill of each box along one axis, shape (n, boxes, cells)."""
    centre = ((low + high) / 2 / STRIDE).floor().clamp(0, cells - 1)
    spread = ((high - low) / STRIDE * _SPREAD).clamp(min=_MIN_SPREAD)
    away = torch.arange(cells, device=low.device) - centre[..., None]
    return (-(away**2) / (2 * spread[..., None] ** 2)).exp()
