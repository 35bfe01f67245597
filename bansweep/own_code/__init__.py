"""Running code of the user's own, which a sweep file has named."""
