"""Data of OpenStreetMap as polygons: extracts (XML, PBF) and answers of Overpass, chosen by their tags."""
