"""The catalogue in pgstac: one transaction under an advisory lock, reads through SQL."""
