"""statelint as a validator: definitions of state machines in the Amazon States Language."""

from __future__ import annotations

from statelint.config import Config
from statelint.linter import Linter
from statelint.problem import ProblemType

#: It wants 2.0 where the language has any number: https://states-language.net/spec.html#errors
_IGNORED = {ProblemType.FLOAT}


def complaints(definition: str) -> list[str]:
    """Return what is wrong with a definition, as JSON text."""
    return list(Linter.validate(definition, Config(_IGNORED, False, False)))
