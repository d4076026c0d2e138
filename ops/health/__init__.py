"""How the cells are: each one by itself, beside the other, and beside the registry. Reads only."""
