"""Everything that knows Ray: the Tune driver, the trial of one generation, its group of Train workers."""
