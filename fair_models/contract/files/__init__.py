"""Files that belong to a contribution's network: weights, ONNX, further assets."""
