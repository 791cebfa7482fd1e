"""Which chips hold buildings."""
