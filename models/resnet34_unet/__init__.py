"""Building footprints, seen by an encoder that knows photographs."""
