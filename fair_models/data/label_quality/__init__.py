"""How good labels are: whether they lie where the imagery shows what they mean."""
