"""From what windows found to outlines on the map: regions, edges, shapes, duplicates, features."""
