"""How one file gets to a bucket: by the record of the moment, and by another one if that moves or fails."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from mft_client.aws_clients import is_final, of_credentials
from mft_client.content import Content, SourceFile
from mft_client.discovery import Discovery
from mft_client.errors import MovedError, NoRecordError, NotAcknowledgedError, UploadRefusedError
from mft_client.journal import Journal
from mft_client.protocol import BucketRecord
from mft_client.settings import Settings
from mft_client.upload import Upload, abort

#: The seconds before each further try of an upload: ten minutes in all, which is longer than the evacuation
#: of a region takes to reach DNS.
PAUSES = (2.5, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0)

#: Says why a file has to wait; where an application configures no logging, Python prints it to stderr.
_log = logging.getLogger(__name__)


class Sender:
    """Sends files until a region acknowledges them; `s3` returns the S3 client of a region."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        discovery: Discovery,
        s3: Callable[[str], Any],
        *,
        pauses: Sequence[float] = PAUSES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings, self._journal, self._discovery, self._s3 = settings, journal, discovery, s3
        self._pauses, self._sleep = pauses, sleep

    def send(
        self,
        key: str,
        file: SourceFile,
        content: Content,
        endpoint: str,
        progress: Callable[[int], None],
    ) -> tuple[BucketRecord, str, str | None]:
        """Upload what a file was measured to contain.

        Return the record by which it went, the version's id and the id of the multipart upload, if it was
        one. Raises FileChangedError, RecordRefusedError, UploadRefusedError, CredentialsError,
        NotAcknowledgedError or JournalError.
        """
        pauses = iter(self._pauses)
        tries = 0
        while True:
            tries += 1
            try:
                self._tidy(key)
                record = self._discovery.find(endpoint)
                return record, *self._upload(record, key, file, content, endpoint, progress)
            except MovedError as error:  # nothing has failed: the new bucket is tried at once
                failure: Exception = error
                pause = 0.0
            except (NoRecordError, ClientError, BotoCoreError) as error:
                self._discovery.forget()
                failure, pause = error, next(pauses, -1.0)
            progress(0)
            if pause < 0 or tries > 2 * len(self._pauses) + 1:
                raise NotAcknowledgedError(
                    f"{file.path} as {key}: after {tries} tries: {failure}; it is in the journal: send it"
                    " again with `mft resend`"
                ) from failure
            if pause:
                _log.warning("%s; the next try is in %.0f s", failure, pause)
            self._sleep(pause)

    def _upload(
        self,
        record: BucketRecord,
        key: str,
        file: SourceFile,
        content: Content,
        endpoint: str,
        progress: Callable[[int], None],
    ) -> tuple[str, str | None]:
        upload = Upload(
            s3=self._s3(record.region),
            journal=self._journal,
            record=record,
            owner=self._settings.account,
            key=key,
            source=file,
            content=content,
            confirm=lambda is_last: self._confirm(record, endpoint, is_last),
            progress=progress,
        )
        try:
            return upload.run()
        except (ClientError, BotoCoreError) as error:
            if credentials := of_credentials(error):
                raise credentials from error
            if is_final(error):
                where = f"s3://{record.bucket}/{key} in {record.region}"
                raise UploadRefusedError(
                    f"{where}: {error}; see that the bucket is account {self._settings.account}'s and"
                    " that your credentials may put objects there"
                ) from error
            raise

    def _confirm(self, record: BucketRecord, endpoint: str, is_last: bool) -> None:
        """Raise MovedError if the name leads elsewhere by now.

        While no resolver answers, the parts go on, because S3 takes them; but nothing is completed before one
        has answered: the region may have been left meanwhile.
        """
        pauses = iter(self._pauses)
        while True:
            try:
                now = self._discovery.find(endpoint)
                break
            except NoRecordError:
                if not is_last:
                    return
                if (pause := next(pauses, -1.0)) < 0:
                    raise
            self._sleep(pause)
        if now != record:
            raise MovedError(f"{endpoint} has moved from {record.bucket} to {now.bucket}")

    def _tidy(self, key: str) -> None:
        """Remove what uploads of this key have left that a crash or a silent region has cut off."""
        for each in self._journal.uploads(key):
            where = {"Bucket": each.bucket, "Key": each.key, "ExpectedBucketOwner": self._settings.account}
            abort(self._s3(each.region), self._journal, each.upload_id, where)
