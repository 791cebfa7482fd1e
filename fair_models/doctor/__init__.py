"""Checks every configured part by using it: what `fair-models doctor` prints."""
