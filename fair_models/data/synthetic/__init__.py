"""A georeferenced settlement out of nothing but a seed, for the demo, for tests and for trying things out."""

from fair_models.data.synthetic.sample import make_settlement

__all__ = ["make_settlement"]
