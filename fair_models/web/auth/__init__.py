"""Who uses the web service, what they may do, and whose things are whose."""
