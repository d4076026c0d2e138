"""The secret settings of both stacks. pytest imports `conftest.py` twice, and this module once."""

from components.settings import HOST_KEYS
from local import host_keys

SECRETS = {f"mft:{setting}": host_keys.pem(host_keys.new(setting)) for setting in HOST_KEYS}
