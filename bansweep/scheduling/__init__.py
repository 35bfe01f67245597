"""What a sweep trains next, and what follows from each result. Knows neither Ray nor files' formats."""
