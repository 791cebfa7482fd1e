"""The process that a training runs in: environment, ZenML stack, progress, termination."""
