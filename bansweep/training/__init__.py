"""Trains one generation in plain PyTorch, without Ray, stores or logging; callers handle each epoch's report."""
