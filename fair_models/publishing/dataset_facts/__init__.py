"""What the item of a dataset says of it beside chips and labels: its areas, and what is new in it."""
