"""Networks that teach and learn: plain PyTorch, which knows nothing of teachers."""
