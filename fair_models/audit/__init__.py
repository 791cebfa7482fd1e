"""Rules over the whole catalogue."""
