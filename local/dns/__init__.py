"""The name server of the emulated hosted zone, its health checks, and a resolver for clients."""
