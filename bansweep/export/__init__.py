"""Finished generations as files that others use: weights, a description, a loader, ONNX."""
