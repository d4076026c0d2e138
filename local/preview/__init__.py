"""The preview: what a change of the project would do to its stacks, found without access to a cloud."""
