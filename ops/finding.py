"""A finding: something that is not as it should be, where and whose it is, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from ops.chosen_cell import stack_of


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`where` is a region, `Route 53` or `DNS`; `customer` is None for what concerns no single customer."""

    where: str
    what: str
    remedy: str = ""
    customer: str | None = None

    @property
    def line(self) -> str:
        """The whole finding on one line."""
        whose = f"{self.customer}: " if self.customer else ""
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.where}: {whose}{self.what}{remedy}"


def deploy(*sides: str) -> str:
    """Return the remedy for what the program makes: to deploy these sides."""
    return f"run {' and '.join(f'`pulumi up --refresh --stack {stack_of(side)}`' for side in sides)}"
