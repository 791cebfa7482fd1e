"""What is held against a contribution: signatures, hyperparameters, classes, ONNX, interiors of objects."""
