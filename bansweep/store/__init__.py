"""Finished generations, the progress of running ones, and claims on training them."""
