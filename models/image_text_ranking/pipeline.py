"""Finds chips by sentences, and sentences by chips. RGB chips, 64 x 64 px, about 1 m per px."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from fair_models.sdk.ranking import training

from . import processing

BANDS = 3
SIZE_PX = 64
CHANNELS = (24, 48, 96)
KEPT_CHANNELS = 32
WIDTH = 256
"""Numbers of an embedding."""

TEXT_WIDTH = 96
HEADS = 4
LAYERS = 2


class Params(training.Params):
    """Hyperparameters of the training."""

    dropout: float = Field(
        0.1, ge=0, le=0.9, description="Share of the features left out at random in training (0 to 0.9)."
    )


def build(params: Params) -> DualEncoder:
    """Make the network: two encoders."""
    return DualEncoder(params.dropout)


_ranking = training.Ranking(processing.tokenise)
train, evaluate, export = _ranking.train, _ranking.evaluate, _ranking.export
extra_assets = _ranking.extra_assets


class DualEncoder(nn.Module):
    """An encoder of chips and one of sentences; what belongs together comes to lie in the same direction.

    Takes float32 of shape (n, 3, 64, 64) in [0, 1]. Gives directions of shape (n, 256) and length 1. `text`
    does so for numbers of words, int64, shape (n, 64).
    """

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.size_px = SIZE_PX
        self.features = nn.Sequential(
            _convolution(BANDS, CHANNELS[0], stride=2),
            *(_block(upper, lower) for upper, lower in pairwise(CHANNELS)),
            nn.Conv2d(CHANNELS[-1], KEPT_CHANNELS, kernel_size=1),
        )
        # Where something lies matters as much as what it is: cells are laid side by side, not averaged.
        cells = (SIZE_PX // 2 ** len(CHANNELS)) ** 2
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(KEPT_CHANNELS * cells, WIDTH)
        self.text = TextEncoder(dropout)
        self.sharpness = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self, pixels: Tensor) -> Tensor:
        """Directions of chips."""
        features = functional.relu(self.features(pixels)).flatten(1)
        return functional.normalize(self.head(self.dropout(features)), dim=1)


class TextEncoder(nn.Module):
    """Self-attention over the words of a sentence, then their mean."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.words = nn.Embedding(processing.BUCKETS, TEXT_WIDTH)
        # Words that were never read stay close to nothing, so that they do not disturb.
        nn.init.normal_(self.words.weight, std=0.02)
        self.order = nn.Parameter(torch.randn(processing.WORDS, TEXT_WIDTH) * 0.02)
        self.layers = nn.ModuleList(_Attention(dropout) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(TEXT_WIDTH)
        self.head = nn.Linear(TEXT_WIDTH, WIDTH)

    def forward(self, tokens: Tensor) -> Tensor:
        """Directions of sentences."""
        there = (tokens > 0).float()
        # An empty sentence gets a word, so that there is something to divide by.
        there = torch.cat([torch.ones_like(there[:, :1]), there[:, 1:]], dim=1)
        if self.training:  # nobody learns from words that are not there
            longest = int(there.sum(dim=1).max())
            tokens, there = tokens[:, :longest], there[:, :longest]
        states = self.words(tokens) + self.order[: tokens.shape[1]]
        for layer in self.layers:
            states = layer(states, there)
        weights = there.unsqueeze(-1)
        mean = (self.norm(states) * weights).sum(dim=1) / weights.sum(dim=1)
        return functional.normalize(self.head(mean), dim=1)


class _Attention(nn.Module):
    """One layer: each word looks at all words, then thinks for itself."""

    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.before = nn.LayerNorm(TEXT_WIDTH)
        self.look = nn.Linear(TEXT_WIDTH, 3 * TEXT_WIDTH)
        self.join = nn.Linear(TEXT_WIDTH, TEXT_WIDTH)
        self.think = nn.Sequential(
            nn.LayerNorm(TEXT_WIDTH),
            nn.Linear(TEXT_WIDTH, 2 * TEXT_WIDTH),
            nn.GELU(),
            nn.Linear(2 * TEXT_WIDTH, TEXT_WIDTH),
            nn.Dropout(dropout),
        )

    def forward(self, states: Tensor, there: Tensor) -> Tensor:
        length = states.shape[1]
        parts = self.look(self.before(states)).reshape(-1, length, 3, HEADS, TEXT_WIDTH // HEADS)
        query, key, value = parts.permute(2, 0, 3, 1, 4).unbind(0)
        likeness = query @ key.transpose(2, 3) / math.sqrt(TEXT_WIDTH // HEADS)
        likeness = likeness - 1e4 * (1 - there)[:, None, None, :]
        seen = (likeness.softmax(dim=-1) @ value).transpose(1, 2).reshape(-1, length, TEXT_WIDTH)
        states = states + self.join(seen)
        thought: Tensor = states + self.think(states)
        return thought


def _convolution(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(_convolution(inputs, outputs, stride=2), _convolution(outputs, outputs))
