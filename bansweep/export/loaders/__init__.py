"""Examples that are copied into exported folders. They run there, and are checked here like any other module."""
