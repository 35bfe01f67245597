"""A sweep from its file to its report: what the command line and Python share."""
