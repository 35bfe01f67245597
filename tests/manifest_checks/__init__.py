"""What is asked of every Kubernetes object of ours. Each check gives the problems that it finds, as sentences."""
