"""Customers that come and go: a new customer's file, and the steps of the lifecycle with their proofs."""
