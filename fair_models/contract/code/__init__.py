"""A contribution's code: archive, imports, and the loader that runs it from its archive."""
