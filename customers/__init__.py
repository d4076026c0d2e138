"""The registry: one YAML file per customer, and the pure code that reads, checks and names its contents."""
