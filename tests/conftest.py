"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# An Output in an f-string is an error here, not a sentence in a resource's name.
os.environ["PULUMI_ERROR_OUTPUT_STRING"] = "true"

settings.register_profile("unhurried", deadline=None)  # a slow machine is no defect
settings.load_profile("unhurried")
