"""Registering base models, from a contribution's folder or from a finished STAC item."""
