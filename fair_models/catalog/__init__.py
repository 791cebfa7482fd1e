"""Items: building, validating, versioning and finding them."""
