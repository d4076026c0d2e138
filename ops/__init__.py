"""What operators run: `mft-ops VERB`, or `python -m ops VERB`. Starts without Pulumi; plans by default."""
