"""Sweeps that run on a cluster without a terminal: Ray jobs, and Kubernetes objects that submit them."""
