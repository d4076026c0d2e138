"""The ways in which a delivery fails. The state machine matches the classes by name."""

from __future__ import annotations


class DeliveryError(Exception):
    """A delivery failed. The text is `place: step: reason` and never contains a secret.

    `place` is the destination (`host:port`, `s3://bucket/key`) or the source, `step` is the operation, and
    `reason` says what went wrong.
    """

    def __init__(self, place: str, step: str, reason: str) -> None:
        super().__init__(place, step, reason)
        self.place, self.step, self.reason = place, step, reason

    def __str__(self) -> str:
        return f"{self.place}: {self.step}: {self.reason}"


class PermanentDeliveryError(DeliveryError):
    """A retry cannot help until someone changes something. This attempt has not produced the final name."""


class TransientDeliveryError(DeliveryError):
    """A retry may help. This attempt has certainly not produced the final name.

    With `keeps`, what was sent stays at the destination, and the next attempt continues there.
    """

    def __init__(self, place: str, step: str, reason: str, *, keeps: bool = False) -> None:
        super().__init__(place, step, reason)
        self.keeps = keeps


class PlatformUnavailableError(TransientDeliveryError):
    """AWS failed this platform before the file could appear. The destination has no part in it."""


class DeliveryUnknownError(DeliveryError):
    """The last request was sent and got no response: the file may be there under its final name.

    The next attempt passes `after_unknown=True`. So does an attempt after one that was killed or ran out of
    time during a delivery, because its result is just as unknown.
    """


class ComparisonUnfinishedError(DeliveryError):
    """The time ran out while content was read to be compared or hashed, before anything was sent.

    How far that got is kept; the next attempt goes on there.
    """


class DeliveryUnfinishedError(DeliveryError):
    """The time ran out during the upload. The bytes that were sent are kept; the next attempt continues."""
