"""What models of one ML task share."""
