"""The console: what the verbs tell of both regions, as pages for a browser on the same machine."""
