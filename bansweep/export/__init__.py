"""Exports finished generations as files: weights, a description, a loader, ONNX."""
