"""Sends sweeps to MLflow: best effort while they run, completed afterwards from the store."""
