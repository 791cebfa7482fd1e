"""Imagery as blocks at the model's resolution: folders of chips, images here and elsewhere, services."""
