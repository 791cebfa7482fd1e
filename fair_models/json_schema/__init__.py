"""Documents held against JSON Schemas, and what is wrong with them in sentences."""
