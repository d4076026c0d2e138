"""What all parts of a customer have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Value(BaseModel):
    """A part of a customer: frozen, and without any key that is not described."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
