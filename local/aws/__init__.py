"""The emulated AWS: MiniStack with its gaps closed, and the makers of the program's resources in it."""
