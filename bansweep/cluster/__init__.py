"""Everything that knows Ray while a sweep runs: the Tune driver, a trial, its group of Train workers."""
