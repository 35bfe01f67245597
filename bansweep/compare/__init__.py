"""What differs between two sweeps, or two generations: in what they say, in what is trained, and in results."""
