"""Networks over images of any height and width. Needs torch."""

from fair_models.ml_tasks.padded import Padded, doubled

__all__ = ["Padded", "doubled"]
