"""Contributed models, one folder each. The library imports none of them: it loads what was registered."""
