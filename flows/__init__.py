"""What happens in which order: one flow per file. The library does the work."""
