"""The parts of docs/ that are computed: `python -m tests.pages` writes them."""
