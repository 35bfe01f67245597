"""bansweep: born-again network sweeps on Ray, where one network teaches the next."""

__version__ = "0.1.0"
