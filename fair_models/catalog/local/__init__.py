"""The catalogue in a folder: STAC JSON, a lock, a journal and an index that can be rebuilt."""
