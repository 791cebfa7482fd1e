"""The only package that changes what is published."""
