"""Kubernetes objects that run a sweep on a Ray cluster there."""
