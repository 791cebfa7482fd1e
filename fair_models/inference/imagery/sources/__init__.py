"""Where imagery comes from: folders, images here and elsewhere, STAC items, tile services."""
