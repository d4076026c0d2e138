"""Lambda entry points, one per module: each parses the event, calls the core and lets errors pass."""
