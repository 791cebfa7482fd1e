"""What an item says, built and read: base models, local models, datasets, their assets and versions."""
