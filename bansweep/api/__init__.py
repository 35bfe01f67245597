"""What `import bansweep` gives to scripts and notebooks: sweeps, running them, and results as pandas."""
