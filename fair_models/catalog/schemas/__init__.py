"""JSON Schemas that items are held against: our own, the official ones, and what they find in words."""
