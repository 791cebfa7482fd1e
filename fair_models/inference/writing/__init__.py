"""What a prediction found, as files: written as it comes, so that memory does not grow with it."""
