"""Polygons and boxes as people keep them: read, mended, drawn onto grids."""
