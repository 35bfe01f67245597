"""A running sweep as people and programs see it: a tree on a terminal, a line an event, a line of JSON an event."""
