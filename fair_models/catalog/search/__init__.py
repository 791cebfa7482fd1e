"""Searches as STAC APIs know them: what is asked, in what order, and as SQL for the adapters."""
