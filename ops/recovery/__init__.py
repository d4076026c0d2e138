"""Recovery of transfers: gaps, replays, releases, takeover, notices, and the trace of one file."""
