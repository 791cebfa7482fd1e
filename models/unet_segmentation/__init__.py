"""U-Net for building footprints."""
