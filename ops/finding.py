"""One thing that is not as it has to be: where, whose, what, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`where` is a region, or who else tells; `customer` is None for what is nobody's alone."""

    where: str
    what: str
    remedy: str = ""
    customer: str | None = None

    @property
    def line(self) -> str:
        """All of it, on a line."""
        whose = f"{self.customer}: " if self.customer else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.where}: {whose}{self.what}{remedy}"


def deploy(*sides: str) -> str:
    """Return what to do about what the program makes."""
    return f"run `pulumi up --refresh` on {' and '.join(f'gov-{side}' for side in sides)}"
