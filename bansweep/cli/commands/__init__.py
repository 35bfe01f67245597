"""A module for each command of `bansweep`; those for jobs on a cluster share one."""
