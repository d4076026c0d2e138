"""The secret settings of both stacks. pytest imports `conftest.py` twice, and this module once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property

from components.settings import PRIVATE_KEYS
from local import private_keys
from tests.program.graph_store import recorded_once


class SecretSettings(Mapping[str, str]):
    """Private keys by setting. All workers of a run have the same, as the graphs that they share do."""

    @cached_property
    def _keys(self) -> dict[str, str]:
        return recorded_once("secret settings", _new_keys)

    def __getitem__(self, setting: str) -> str:
        return self._keys[setting]

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


def _new_keys() -> dict[str, str]:
    return {f"mft:{setting}": private_keys.pem(private_keys.new(setting)) for setting in PRIVATE_KEYS}


SECRETS = SecretSettings()
