"""The hosted zone: its records, its health checks, and the answers of its name servers."""
