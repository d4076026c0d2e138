"""The acceptance of a deployed environment: a synthetic customer's files, and what AWS has made of them."""
