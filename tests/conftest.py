"""What all tests share."""

from __future__ import annotations

import os

# An Output in an f-string is an error here, not a sentence in a resource's name.
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"
