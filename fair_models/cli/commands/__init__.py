"""The commands of `fair-models`, by subject."""
