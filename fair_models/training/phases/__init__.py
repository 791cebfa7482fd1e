"""What each step of a training does, as plain functions in the order of the data."""
