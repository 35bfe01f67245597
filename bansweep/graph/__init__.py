"""Pure functions from a sweep file to a graph in which every distinct generation occurs once."""
