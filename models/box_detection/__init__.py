"""Buildings as boxes and centre points."""
