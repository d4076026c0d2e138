"""The registry: one YAML file a customer, and the pure code that reads, checks and names what is in them."""
