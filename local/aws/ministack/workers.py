"""Unpacks a Lambda bundle once for all its workers, so that only the first one compiles what it imports."""

from __future__ import annotations

import hashlib
import io
import tempfile
import threading
import zipfile
from pathlib import Path

from local.aws.ministack.patching import Module, after

_lock = threading.Lock()


@after("core.lambda_runtime")
def _shared_code(runtime: Module) -> None:
    def unpacked(code: bytes) -> str:
        folder = Path(tempfile.gettempdir()) / f"code-{hashlib.sha256(code).hexdigest()[:16]}"
        with _lock:
            if not folder.exists():
                with zipfile.ZipFile(io.BytesIO(code)) as archive:
                    archive.extractall(folder.with_suffix(".part"))
                folder.with_suffix(".part").rename(folder)
        return str(folder)

    runtime._mft_unpacked = unpacked
