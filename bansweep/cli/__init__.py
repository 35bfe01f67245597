"""The `bansweep` command: helpers that its commands share."""
