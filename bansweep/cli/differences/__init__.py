"""Printing what `bansweep diff` has found."""
