"""The verbs of the command `mft`."""
