"""Chips, tile names, labels, splits and the synthetic sample."""
