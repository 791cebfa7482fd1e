"""Windows over the imagery: their order, running them, and what each one says."""
