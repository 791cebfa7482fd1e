"""Changes of what is published: planned from what the catalogue says, checked by whoever holds its lock."""
