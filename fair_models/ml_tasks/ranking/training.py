"""Training, evaluation and export of two encoders that put images and sentences in one space. Needs torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fair_models.data.samples import Samples
from fair_models.errors import Invalid
from fair_models.inference.parts import Processing
from fair_models.ml_tasks import training_loop
from fair_models.ml_tasks.onnx_export import export_onnx
from fair_models.ml_tasks.ranking import augmentation, evaluation, text_export
from fair_models.ml_tasks.ranking.gallery import Gallery
from fair_models.ml_tasks.ranking.processing import OUTPUT, Tokenise
from fair_models.ml_tasks.results import Epoch, Evaluation, Report
from fair_models.types import Array

SHARPEST = 100.0
"""Most that likeness is multiplied with before it becomes probabilities: with more the loss is unsteady."""


class Params(training_loop.Params):
    """Hyperparameters that every ranking has. A contribution adds its own."""

    epochs: int = Field(20, ge=1, le=1000, description="Passes over the training images (1 to 1000).")
    batch_size: int = Field(
        64,
        ge=2,
        le=256,
        description="Images that are told apart from each other at once (2 to 256). More are better.",
    )
    learning_rate: float = Field(
        0.002,
        ge=1e-6,
        le=1,
        description="Largest step size of AdamW, reached after the warm-up (0.000001 to 1).",
    )
    augment: bool = Field(
        True, description="Light and move the images anew in each epoch, and change between their captions."
    )


@dataclass(frozen=True)
class Ranking:
    """Training functions of a contribution.

    Its networks take float32 pixels of shape (n, bands, size, size) and give embeddings of shape (n, d) and
    length 1; their part `text` does so with int64 tokens of shape (n, length); their parameter `sharpness`
    is the logarithm of what likeness is multiplied with.

    tokenise: The contribution's own, see `ranking.hashed_words`.
    """

    tokenise: Tokenise

    def train(
        self,
        network: nn.Module,
        samples: Samples,
        processing: Processing,
        params: Any,
        seed: int,
        report: Report,
    ) -> None:
        """Fit both encoders, in place: AdamW, warm-up and cosine, contrastive loss.

        Where the samples have a validation side, the epoch that finds most of its images by their captions
        is kept; else the last one.

        Args:
            network: Both encoders.
            samples: Images, and the captions of each as UTF-8 bytes, shape (n, captions).
            processing: The contribution's own; `preprocess` is applied to every varied sample.
            params: Hyperparameters.
            seed: Everything random derives from it.
            report: Called after each epoch with `loss`, `learning_rate`, and `validation_recall_at_10`.

        Raises:
            Invalid: There are fewer than two samples.
            TrainingFailed: The loss is no finite number any more.
        """
        if len(samples) < 2:
            raise Invalid(
                "One image cannot be told apart from others. Train on two at least, better hundreds."
            )
        best = _Best(self, samples.validation, processing, params)
        told = replace(samples, targets=self.tokens(samples.targets))

        def losses(images: Tensor, tokens: Tensor) -> Mapping[str, Tensor]:
            texts = cast(Tensor, _text(network)(tokens[:, 0]))
            scale = cast(Tensor, network.sharpness).exp().clamp(max=SHARPEST)
            return {"loss": contrastive(images @ texts.T * scale, positives(tokens))}

        def watched(epoch: Epoch) -> None:
            report(replace(epoch, values={**epoch.values, **best.look(network, epoch.number)}))

        task = training_loop.Task(losses, augmentation.vary)
        training_loop.fit(task, network, told, processing, params, seed, watched)
        best.restore(network)

    def evaluate(
        self, network: nn.Module, samples: Samples, processing: Processing, params: Any
    ) -> Evaluation:
        """Measure both directions on held-out samples, over images that are not the same byte for byte.

        Args:
            network: Both encoders.
            samples: Images that they have not learnt from, and the captions of each.
            processing: The contribution's own.
            params: Hyperparameters; `batch_size` is used.

        Returns:
            Metrics beside those of a blind guess and, among the metrics, the best that any model could reach.

        Raises:
            Invalid: There is no sample, or none has a caption.
        """
        return evaluation.evaluate(self.gallery(network, samples, processing, params), samples)

    def export(self, network: nn.Module, path: Path, params: Any) -> None:
        """Write the image encoder as ONNX with a dynamic batch; the output is called `embedding`.

        Args:
            network: Both encoders; `size_px` of the network is the height and width that the file takes.
            path: Where to write.
            params: Hyperparameters; not needed here.
        """
        export_onnx(network, path, output=OUTPUT, size_px=int(cast(int, network.size_px)), dynamic_size=False)

    def extra_assets(
        self, network: nn.Module, samples: Samples | None, processing: Processing, params: Any
    ) -> Mapping[str, bytes]:
        """The text encoder as ONNX, compared with torch, and the index of the images.

        Args:
            network: Both encoders.
            samples: All images of the dataset with their places. None: there is no dataset, so no index.
            processing: The contribution's own.
            params: Hyperparameters; `batch_size` is used.

        Returns:
            Content by file name: text-encoder.onnx, and index.npz where there are images.

        Raises:
            InvalidContribution: ONNX and torch differ.
        """
        example = self.tokenise(["a few houses in the north, none in the south", "water", ""])
        files = {"text-encoder.onnx": text_export.export(_text(network), example)}
        if samples is not None:
            files["index.npz"] = self.gallery(network, samples, processing, params).index(samples)
        return files

    def tokens(self, captions: Array) -> Array:
        """Numbers of words of captions: from UTF-8 bytes of shape (n, captions) to (n, captions, length)."""
        texts = [caption.decode() for caption in captions.ravel()]
        numbers = self.tokenise(texts)
        return numbers.reshape(*captions.shape, numbers.shape[-1])

    def gallery(self, network: nn.Module, samples: Samples, processing: Processing, params: Any) -> Gallery:
        """Embeddings of all images and of all captions, each caption once for each image."""
        batch = params.batch_size
        images = np.stack([one for _, one in training_loop.scores(network, samples, processing, batch)])
        owners, columns = np.nonzero(samples.targets != b"")
        captions = samples.targets[owners, columns]
        return Gallery(images, self.embedded(network, captions, batch), owners, captions)

    def embedded(self, network: nn.Module, captions: Array, batch: int) -> Array:
        """Embeddings of captions (UTF-8 bytes, shape (n,)), float32, shape (n, d)."""
        tokens = torch.from_numpy(self.tokens(captions))
        encoder = _text(network).eval()
        device = next(encoder.parameters()).device
        with torch.no_grad():
            batches = [part for part in torch.split(tokens, batch) if len(part)]
            parts = [encoder(part.to(device)).cpu().numpy() for part in batches]
        return np.concatenate(parts) if parts else np.empty((0, 1), dtype=np.float32)


def positives(tokens: Tensor) -> Tensor:
    """Which captions of a batch are right for which image: its own, and equal ones of others.

    Args:
        tokens: shape (n, captions, length); the first caption of each image is the one that is learnt from.

    Returns:
        bool, shape (images, captions) = (n, n), true on the diagonal.
    """
    first = tokens[:, 0]
    equal = (tokens[:, :, None] == first[None, None]).all(dim=-1).any(dim=1)
    return equal | torch.eye(len(tokens), dtype=torch.bool, device=tokens.device)


def contrastive(scores: Tensor, right: Tensor) -> Tensor:
    """Cross-entropy over both directions; the right answers of a row share its probability evenly.

    A caption that several images have is right for all of them: none is pushed away from it.

    Args:
        scores: float32, shape (images, captions).
        right: bool, same shape, at least one in each row and column.
    """
    wanted = right.float()
    to_text = -(wanted / wanted.sum(1, keepdim=True) * functional.log_softmax(scores, dim=1)).sum(1)
    to_image = -(wanted / wanted.sum(0, keepdim=True) * functional.log_softmax(scores, dim=0)).sum(0)
    return (to_text.mean() + to_image.mean()) / 2


class _Best:
    """The weights of the epoch that did best on the validation side; of equal ones the last."""

    def __init__(
        self, ranking: Ranking, validation: Samples | None, processing: Processing, params: Any
    ) -> None:
        self._ranking, self._processing, self._params = ranking, processing, params
        self._validation = validation if validation is not None and len(validation) > 1 else None
        self._reached: tuple[float, ...] = ()
        self._state: dict[str, Tensor] = {}

    def look(self, network: nn.Module, epoch: int) -> dict[str, float]:
        """Measure the network on the validation side, and leave it in training mode on its device."""
        if self._validation is None:
            return {}
        device = next(network.parameters()).device
        gallery = self._ranking.gallery(network, self._validation, self._processing, self._params)
        network.to(device).train()
        # Among ten images or fewer the recall at 10 is 1 in every epoch: what finds them sooner decides then.
        reached = tuple(gallery.recall_to_image(depth) for depth in (10, 5, 1))
        if reached >= self._reached:
            self._reached = reached
            self._state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        return {"validation_recall_at_10": reached[0]}

    def restore(self, network: nn.Module) -> None:
        """Put the best weights back."""
        if self._state:
            network.load_state_dict(self._state)


def _text(network: nn.Module) -> nn.Module:
    return cast(nn.Module, network.text)
