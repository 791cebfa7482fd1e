"""Networks that halve and double their pixels, over images of any height and width. Needs torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional


class Padded(nn.Module, ABC):
    """A network of one score map as large as its image, whose sides have to divide by a number inside.

    Images of other sizes are extended at the right and lower edge by their last pixels, and the scores are
    cropped. Inside, every doubling is by exactly two. So an engine may keep the order of the pixels that it
    likes from the first layer to the last, which saves time and memory beside a network that asks for the
    size of each level (`benchmarks.network_forms`). `export_onnx` writes both parts.

    `scores` may not use height or width as numbers, for example to reshape: in the file they are those of
    one example. Registration and training refuse such a file: it does not agree with its network.
    """

    multiple_px: ClassVar[int] = 32
    """What height and width divide by inside: 32 for five halvings."""

    @abstractmethod
    def scores(self, pixels: Tensor) -> Tensor:
        """Scores of each class for each pixel.

        Args:
            pixels: float32, shape (n, bands, height, width); height and width divide by `multiple_px`.

        Returns:
            float32, shape (n, classes, height, width).
        """

    def forward(self, pixels: Tensor) -> Tensor:
        """Scores of each class for each pixel of images of any size."""
        height, width = pixels.shape[-2:]
        down, right = -height % self.multiple_px, -width % self.multiple_px
        if not (down or right):
            return self.scores(pixels)
        extended = functional.pad(pixels, (0, right, 0, down), mode="replicate")
        return self.scores(extended)[..., :height, :width]


def doubled(features: Tensor) -> Tensor:
    """Twice the height and width, with values between the pixels by a straight line."""
    return functional.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
