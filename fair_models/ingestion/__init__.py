"""From an area and imagery to the chips of a dataset."""
