"""The JSON API: models, datasets and their files. Routes are thin; the work is in the library."""
