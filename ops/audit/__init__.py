"""Verifying the audit chains. Reads only."""
