"""Image chips: what a file is, its bands, where it lies, its pixels at a model's resolution."""
