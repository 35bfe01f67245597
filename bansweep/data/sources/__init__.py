"""Where images come from: a file for each source, each of which ends in a `DecodedImages`."""
