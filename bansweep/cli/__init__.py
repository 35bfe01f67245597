"""The `bansweep` command: a file per verb."""
