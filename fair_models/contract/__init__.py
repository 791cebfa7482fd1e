"""What a contributed model must offer, and the loader that holds it to it."""
