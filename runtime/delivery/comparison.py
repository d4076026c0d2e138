"""A source, read in order to be compared with what a destination has, over as many attempts as it takes."""

from __future__ import annotations

import hashlib
from collections.abc import Generator

from runtime.delivery.content_hash import MIB, PART, RESERVE, Position
from runtime.delivery.errors import TransientDeliveryError
from runtime.delivery.source import Source

#: Bytes that are compared at a time.
_PIECE = 2 * MIB


class Comparison:
    """The comparison of a source with a file at `place`, which `identity` names.

    The identity contains what changes when the file does, such as its time of modification: a comparison goes
    on only where an earlier one of the same file has stopped. Without an identity it begins anew.
    """

    def __init__(self, source: Source, place: str, *, identity: str | None) -> None:
        self._source, self._place = source, place
        is_kept = identity is not None and source.size > PART
        self._purpose = f"same {hashlib.sha256(str(identity).encode()).hexdigest()}" if is_kept else ""
        self.sha256 = ""

    def pieces(self) -> Generator[tuple[int, bytes], None, None]:
        """Yield offsets and bytes of the source. Asking for the next piece says that the last one is equal.

        Afterwards, `sha256` is the hash of the source. Raises as `Source.sha256` does.
        """
        source, equal = self._source, self._load()
        hashed, before = source.hasher(), equal
        began = hashed.position.offset
        at = min(equal, hashed.read)
        for data in source.chunks(at, chunk=_PIECE):
            hashed.feed(data, at)
            if at + len(data) > equal:
                new = max(0, equal - at)
                yield at + new, data[new:]
            at += len(data)
            equal = max(equal, at)
            if at < source.size and source.remaining() < RESERVE:
                self._save(equal)
                source.keep(hashed)
                # Less than a part in a whole function is no pace at which a comparison ends.
                got = max(equal - before if self._purpose else 0, hashed.position.offset - began)
                raise source.out_of_time("compare", at, is_ahead=got >= PART, place=self._place)
        if at != source.size:
            raise TransientDeliveryError(source.place, "read", f"ended after {at} of {source.size} bytes")
        self._save(equal)
        source.keep(hashed)
        self.sha256 = hashed.text()

    def _load(self) -> int:
        progress = self._source.progress
        return progress.load(self._purpose).offset if progress and self._purpose else 0

    def _save(self, equal: int) -> None:
        if self._source.progress and self._purpose:
            self._source.progress.save(self._purpose, Position(equal))
