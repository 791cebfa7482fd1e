"""What a training is planned from: the run config, its overrides, and the items that it names."""
