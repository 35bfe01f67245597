"""Data sets: sources decoded once to arrays in canonical order; images augmented on the device, texts as tokens."""
