"""The emulated AWS: MiniStack with its gaps closed, and what the program registers made in it."""
