"""The network, ready to run: sessions, engines, and what its file may not do."""
