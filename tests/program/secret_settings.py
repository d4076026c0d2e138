"""The secret settings of both stacks. pytest imports `conftest.py` twice, and this module once."""

from components.settings import PRIVATE_KEYS
from local import private_keys

SECRETS = {f"mft:{setting}": private_keys.pem(private_keys.new(setting)) for setting in PRIVATE_KEYS}
