"""Imagery at the resolution of a model. The same code serves training and prediction."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from typing import Literal, get_args

import numpy as np
from PIL import Image

from fair_models.data.images import chips
from fair_models.data.images.chips import Chip
from fair_models.data.images.grid import Factors, Grid, factors
from fair_models.errors import Invalid
from fair_models.types import Array

Resampling = Literal["average", "bilinear", "nearest"]
"""How pixels are brought to another resolution. "average": area average down, bilinear up."""


@dataclass(frozen=True)
class ResampledView:
    """A chip as a model sees it.

    pixels: uint8, shape (3, height, width); 0 where nothing is valid.
    valid: bool, shape (height, width).
    grid: Where the pixels lie.
    """

    pixels: Array
    valid: Array
    grid: Grid


def read_at(chip: Chip, gsd_m: float, resampling: str = "average") -> ResampledView:
    """Decode a chip and bring it to a model's resolution, as `factors` says.

    Args:
        chip: The chip.
        gsd_m: Metres per pixel that the model works at.
        resampling: "average", "bilinear" or "nearest".

    Raises:
        InvalidImagery: The chip cannot be decoded.
        Invalid: The chip is too coarse for the model, or the resampling is unknown.
    """
    factor = factors(chip.grid, gsd_m, chip.rules.scale)
    pixels, valid = chips.read_with_mask(chip)
    pixels, valid = resample(pixels, valid, factor, resampling)
    return ResampledView(pixels, valid, chip.grid.decimated(factor))


def stored_span(
    start: int, length: int, factor: Fraction, resampling: str, around: bool = False
) -> tuple[int, int]:
    """First and last of the stored pixels of some of the model's along an axis, rounded outwards.

    Args:
        start: First pixel of the model.
        length: How many.
        factor: Stored pixels per pixel of the model: `numerator` of them are `denominator` others.
        resampling: "average", "bilinear" or "nearest".
        around: With what the resampling looks at too.
    """
    averaged = factor == 1 or (factor.numerator > 1 and resampling == "average")
    halo = int(around and not averaged)
    first = max(0, start // factor.denominator - halo)
    last = math.ceil((start + length) / factor.denominator) + halo
    return first * factor.numerator, last * factor.numerator


def resample(
    pixels: Array, valid: Array, factor: Fraction | Factors, resampling: str = "average"
) -> tuple[Array, Array]:
    """Change the resolution of an image; its top left corner stays where it is.

    Cells at the right and lower edge that reach beyond the image are made of the pixels that they have. A
    cell is valid where at least half of it is.

    Args:
        pixels: uint8, shape (bands, height, width).
        valid: bool, shape (height, width).
        factor: Pixels per new pixel along one side, a whole number or 1 over one; or one for each axis.
        resampling: "average", "bilinear" or "nearest".

    Returns:
        uint8, shape (bands, ceil(height / factor), ceil(width / factor)), and bool of that height and width.

    Raises:
        Invalid: The resampling is unknown.
    """
    if resampling not in get_args(Resampling):
        raise Invalid(f"Resampling {resampling!r} is not known: use {', '.join(get_args(Resampling))}")
    each = Factors.of(factor)
    if each.across != each.down:
        return _resample_each(pixels, valid, each, resampling)
    factor = each.across
    if factor == 1:
        return pixels, valid
    rows, columns = math.ceil(valid.shape[0] / factor), math.ceil(valid.shape[1] / factor)
    if factor > 1:
        beyond = (
            (0, rows * factor.numerator - valid.shape[0]),
            (0, columns * factor.numerator - valid.shape[1]),
        )
        if any(after for _, after in beyond):
            pixels = np.pad(pixels, ((0, 0), *beyond), mode="edge")
            valid = np.pad(valid, beyond)
        means, mostly_valid = average(pixels, valid, factor.numerator)
        if resampling == "average":
            return means, mostly_valid
        return interpolate(pixels, (rows, columns), resampling) * mostly_valid, mostly_valid
    enlarged_valid = valid.repeat(factor.denominator, axis=0).repeat(factor.denominator, axis=1)
    return interpolate(pixels, (rows, columns), resampling) * enlarged_valid, enlarged_valid


def _resample_each(pixels: Array, valid: Array, factor: Factors, resampling: str) -> tuple[Array, Array]:
    """`resample` with a factor of its own for each axis.

    A factor p / q above 1 repeats each pixel q times and takes the mean of p, which weighs them by area.
    """
    rows, columns = math.ceil(valid.shape[0] / factor.down), math.ceil(valid.shape[1] / factor.across)
    down, across = _Parts.of(factor.down), _Parts.of(factor.across)
    pixels = pixels.repeat(down.repeats, axis=1).repeat(across.repeats, axis=2)
    valid = valid.repeat(down.repeats, axis=0).repeat(across.repeats, axis=1)
    if down.together * across.together > 1:
        needed = (
            math.ceil(valid.shape[0] / down.together) * down.together,
            math.ceil(valid.shape[1] / across.together) * across.together,
        )
        beyond = [(0, end - there) for end, there in zip(needed, valid.shape, strict=True)]
        pixels = np.pad(pixels, ((0, 0), *beyond), mode="edge")
        means, valid = average(pixels, np.pad(valid, beyond), (down.together, across.together))
        shape = means.shape[1], means.shape[2]
        pixels = means if resampling == "average" else interpolate(pixels, shape, resampling)
    valid = valid.repeat(down.enlarged, axis=0).repeat(across.enlarged, axis=1)[:rows, :columns]
    if pixels.shape[1:] != valid.shape:
        size = pixels.shape[1] * down.enlarged, pixels.shape[2] * across.enlarged
        pixels = interpolate(pixels, size, resampling)[:, :rows, :columns]
    return pixels * valid, valid


@dataclass(frozen=True)
class _Parts:
    """How a factor is worked out along an axis: each pixel repeated, so many averaged, then enlarged."""

    repeats: int
    together: int
    enlarged: int

    @classmethod
    def of(cls, factor: Fraction) -> _Parts:
        if factor.numerator == 1:
            return cls(1, 1, factor.denominator)
        return cls(factor.denominator, factor.numerator, 1)


def average(pixels: Array, valid: Array, times: int | tuple[int, int]) -> tuple[Array, Array]:
    """Mean of the valid pixels of each square of `times` x `times`, halves rounded up.

    Args:
        pixels: uint8, shape (bands, height, width); height and width are multiples of `times`.
        valid: bool, shape (height, width). Invalid pixels weigh nothing.
        times: Pixels per new pixel along one side, or down and across.

    Returns:
        uint8, shape (bands, height / times, width / times), 0 where less than half of a square is valid; and
        where that is not so.
    """
    times = (times, times) if isinstance(times, int) else times
    count = times[0] * times[1]
    if valid.all():  # almost always, and many times quicker
        means = (_sums(pixels, times) + count // 2) // count
        return means.astype(np.uint8), np.ones(means.shape[1:], bool)
    number = _sums(valid, times)
    mostly_valid = 2 * number >= count
    weight = np.maximum(number, 1)
    means = (_sums(pixels * valid, times) + weight // 2) // weight
    return (means * mostly_valid).astype(np.uint8), mostly_valid


def interpolate(pixels: Array, shape: tuple[int, int], resampling: str) -> Array:
    """The whole image at another size: the nearest pixel, else a weighted mean of the pixels around.

    Args:
        pixels: uint8, shape (bands, height, width).
        shape: New height and width.
        resampling: "nearest", or "bilinear" (also what "average" means where pixels become smaller).
    """
    kernel = Image.Resampling.NEAREST if resampling == "nearest" else Image.Resampling.BILINEAR
    bands = [np.asarray(Image.fromarray(band).resize((shape[1], shape[0]), kernel)) for band in pixels]
    return np.stack(bands)


def _sums(values: Array, times: tuple[int, int]) -> Array:
    """Sums over rectangles of `times` (down, across); the last two axes are multiples of them."""
    down, across = times
    # 16 bits hold the sum of 256 pixels.
    total: Array = values[..., ::down, ::across].astype(np.uint16 if down * across <= 256 else np.uint32)
    for row, column in product(range(down), range(across)):
        if row or column:
            total += values[..., row::down, column::across]
    return total
