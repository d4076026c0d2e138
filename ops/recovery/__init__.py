"""Recovering what was in flight: gaps, replays, releases, takeover, notices, and one file's story."""
