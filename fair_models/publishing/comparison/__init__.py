"""Versions side by side on the same held-out chips."""
