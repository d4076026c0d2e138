"""What a person runs in the night: `python -m ops <verb>`. Starts without Pulumi; plans by default."""
