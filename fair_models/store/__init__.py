"""Bytes: versioned, content-addressed, written once."""
