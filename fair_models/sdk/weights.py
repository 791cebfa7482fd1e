"""Published tensors put into a network, for `adopt`. Needs torch."""

from fair_models.ml_tasks.weights import put, without

__all__ = ["put", "without"]
