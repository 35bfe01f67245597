"""What is finished, what is under way, and who is at it: a directory that sweeps share."""
