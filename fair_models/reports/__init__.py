"""What people see of items, metrics and comparisons: tables, cards and curves for runs, the CLI and pages."""
