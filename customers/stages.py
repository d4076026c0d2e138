"""What each stage of a customer in a cell means for the resources of that cell."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import assert_never

from customers import kinds


class Staged(ABC):
    """What follows from the stage of a customer in a cell."""

    @property
    @abstractmethod
    def stage(self) -> kinds.Stage:
        """What the customer is in the cell."""

    @property
    def is_checked(self) -> bool:
        """Whether there is a health check for this customer's DNS records, if it has one of its own."""
        return self.is_in_service or self.stage == "joining"

    @property
    def takes_files(self) -> bool:
        """Whether this customer has access: logins, and grants to put files once it is `active`."""
        match self.stage:
            case "onboarding" | "joining" | "active" | "closing":
                return True
            case "draining" | "retired":
                return False
            case _:
                assert_never(self.stage)

    @property
    def is_refused(self) -> bool:
        """Whether this customer can log in although its uploads are refused: nothing would process them."""
        match self.stage:
            case "onboarding":
                return True
            case "joining" | "active" | "closing" | "draining" | "retired":
                return False
            case _:
                assert_never(self.stage)

    @property
    def is_routed(self) -> bool:
        """Whether files in this customer's buckets are processed and replicated to the other region."""
        match self.stage:
            case "joining" | "active" | "closing" | "draining":
                return True
            case "onboarding" | "retired":
                return False
            case _:
                assert_never(self.stage)

    @property
    def is_in_service(self) -> bool:
        """Whether this customer has DNS records, which carry a health check."""
        match self.stage:
            case "active" | "closing":
                return True
            case "onboarding" | "joining" | "draining" | "retired":
                return False
            case _:
                assert_never(self.stage)

    @property
    def keeps_names(self) -> bool:
        """Whether this customer's DNS records, and the health check that they carry, are protected."""
        match self.stage:
            case "active":
                return True
            case "onboarding" | "joining" | "closing" | "draining" | "retired":
                return False
            case _:
                assert_never(self.stage)

    @property
    def is_retired(self) -> bool:
        """Whether this customer's data is released: no longer protected, and left to AWS by the program."""
        match self.stage:
            case "retired":
                return True
            case "onboarding" | "joining" | "active" | "closing" | "draining":
                return False
            case _:
                assert_never(self.stage)
