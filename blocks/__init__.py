"""Named connections that Prefect stores. Each builds one object of the library."""
