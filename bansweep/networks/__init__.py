"""The networks that are taught and that teach: plain PyTorch, which knows nothing of teachers."""
