"""The health of the cells: each by itself, and compared with the other and with the registry. Reads only."""
