"""Verification of the audit chains. Reads only."""
