"""How a delivery fails. The names of the classes are a contract: the state machine matches them."""

from __future__ import annotations


class DeliveryError(Exception):
    """A delivery that did not end well; its text is `place: step: reason` and never holds a secret.

    `place` is the destination (`host:port`, `s3://bucket/key`) or the source, `step` what was being done
    there, and `reason` what went wrong.
    """

    def __init__(self, place: str, step: str, reason: str) -> None:
        super().__init__(place, step, reason)
        self.place, self.step, self.reason = place, step, reason

    def __str__(self) -> str:
        return f"{self.place}: {self.step}: {self.reason}"


class PermanentDeliveryError(DeliveryError):
    """A retry cannot help until a person changes something. This attempt did not produce the final name."""


class TransientDeliveryError(DeliveryError):
    """A retry may help. It is certain that this attempt did not produce the final name."""


class DeliveryUnknownError(DeliveryError):
    """The last request was sent and its answer never came: the file may be there under its final name.

    The next attempt says `after_unknown=True`. A caller that was killed or ran out of time during a
    delivery knows as little, and has to go on the same way.
    """


class DeliveryUnfinishedError(DeliveryError):
    """The time ran out in the middle. What was sent is kept, and the next attempt goes on there."""
