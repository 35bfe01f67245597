"""The sweep file: what it may say, how it is read, and every check that needs no data."""
