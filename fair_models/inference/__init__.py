"""From imagery to features, given a session and functions."""
