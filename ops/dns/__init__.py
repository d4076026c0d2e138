"""The hosted zone: its records and health checks, and what its name servers answer."""
