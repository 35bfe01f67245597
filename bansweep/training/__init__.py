"""One generation in plain PyTorch: no Ray, no files, no logging; callers decide what to do with each epoch."""
