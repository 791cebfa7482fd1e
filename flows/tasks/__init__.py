"""The tasks of the flows: each is one call to the library, and what people see of it."""
