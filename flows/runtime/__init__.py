"""How flows run: their definition, policy, limits, places, runtimes and what they show."""
