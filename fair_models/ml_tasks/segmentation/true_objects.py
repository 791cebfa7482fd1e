"""The numbered objects of samples, and what a prediction finds of them. Numpy and scipy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fair_models.data.samples import Samples
from fair_models.ml_tasks.evaluation import Measurement
from fair_models.ml_tasks.segmentation import instance_metrics, instances
from fair_models.ml_tasks.segmentation.instance_metrics import Matches, SampleMatches
from fair_models.ml_tasks.segmentation.instances import InstanceRule, Objects
from fair_models.types import Array


class TrueObjects:
    """Numbered objects of samples.

    things: Indices of the classes whose objects are told apart; empty where the samples number none.
    """

    def __init__(self, samples: Samples, rule: InstanceRule) -> None:
        self._samples, self._rule = samples, rule
        self._pixel_m = rule.pixel_sizes(samples)
        self.things: Sequence[int] = rule.thing_indices(samples) if samples.instances is not None else []

    def found(
        self,
        at: int,
        mask: Array,
        probabilities: Array,
        interior: Array | None,
        marker_threshold: float | None = None,
    ) -> Objects:
        """The objects of a prediction of one sample.

        Args:
            at: Position of the sample.
            mask: Class index of each pixel as it is predicted, uint8, shape (height, width).
            probabilities: Probability of each class, shape (classes, height, width).
            interior: Probability that a pixel is the interior of an object, shape (height, width). None:
                objects are connected pixels of a class.
            marker_threshold: Another one than that of the rule.
        """
        rule = self._rule
        if marker_threshold is not None:
            rule = replace(rule, marker_threshold=marker_threshold)
        return instances.found(mask, probabilities, interior, self.things, rule, self._pixel_m[at])

    def by_class(self, matches: Sequence[SampleMatches]) -> dict[str, Matches]:
        """The matches of all samples, in their order, by the name of the class."""
        classes = self._samples.classes
        return {classes[index]: instance_metrics.gather(matches, index) for index in self.things}

    def guessed(self, index: int) -> Measurement:
        """What is reached where every pixel is taken for one class: one object fills each sample.

        Args:
            index: Position of the class; 0 is the background, and then nothing is found.
        """
        whole = instances.everywhere(self._samples.targets.shape[1:], index)
        matches = [self.match(at, whole) for at in range(len(self._samples))]
        return instance_metrics.summarise(self.by_class(matches))

    def ceiling(self, *, with_interiors: bool) -> Measurement:
        """What a perfect mask reaches, and perfect interiors where the network says where those are."""
        if not self.things:
            return instance_metrics.summarise({})
        matches = [
            self.match(
                at,
                instances.perfect(
                    self._samples.targets[at],
                    self._numbers(at),
                    self.things,
                    self._rule,
                    self._pixel_m[at],
                    with_interiors=with_interiors,
                ),
            )
            for at in range(len(self._samples))
        ]
        best = {name: instance_metrics.best_order(found) for name, found in self.by_class(matches).items()}
        return instance_metrics.summarise(best)

    def _numbers(self, at: int) -> Array:
        numbers = self._samples.instances
        if numbers is None:
            return np.zeros(self._samples.targets.shape[1:], np.uint16)
        one: Array = numbers[at]
        return one

    def match(self, at: int, found: Objects) -> SampleMatches:
        """Which objects of one sample are which of the truth."""
        return instance_metrics.match(
            found,
            self._samples.targets[at],
            self._numbers(at),
            len(self._samples.classes),
            self._rule.smallest_px(self._pixel_m[at]),
        )
