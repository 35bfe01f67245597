"""Differences between two sweeps or two generations: in their settings, their trainings and their results."""
