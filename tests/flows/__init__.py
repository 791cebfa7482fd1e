"""Flows on real servers, which end with these tests."""
