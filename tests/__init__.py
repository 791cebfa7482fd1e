"""Tests of what is not a contribution; those lie beside it."""
