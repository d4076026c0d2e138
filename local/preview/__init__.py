"""The preview: what a change of the project would do to its stacks, without asking a cloud."""
