"""Limits of AWS that files and routes have to keep to. Standard library only."""

from __future__ import annotations

#: The longest key of an object, in bytes of UTF-8.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html
LONGEST_KEY = 1024

#: The largest input or output of a state or an execution of Step Functions, in bytes.
#: https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
LARGEST_STATE = 256 * 1024

#: How many destinations a route may have. A file that fails at all of them leaves an error of up to 7 KiB for
#: each in the state of its execution (runtime.brief_errors), besides 20 KiB about the file.
MOST_TARGETS = 32
