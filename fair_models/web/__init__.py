"""The registry service: everything of the registry over HTTP, in one application."""
