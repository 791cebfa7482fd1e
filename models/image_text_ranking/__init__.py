"""Finds chips by sentences, and sentences by chips."""
