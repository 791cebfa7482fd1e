"""Images with sentences: captions as people keep them, or made from labels."""
