"""What MLflow is told of a sweep: best effort while it runs, completed afterwards from what the store holds."""
