"""Whether labels can be trusted: missing, wrong in shape, of another time, or beside the imagery."""
