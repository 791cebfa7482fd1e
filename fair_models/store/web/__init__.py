"""Files on the web: which addresses may be read, and how servers are asked."""
