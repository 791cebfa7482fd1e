"""Objects of one class that touch, told apart by the interiors that a network finds."""
