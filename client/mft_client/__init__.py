"""The SDK for customers: find the bucket by name, send files, and know which ones to send again.

    with Client(Settings.read(Path("mft.toml"))) as client:
        client.send(Path("report.csv"), "daily/report.csv")
        client.collect()                      # the receipts and notices in the queues of the settings
        for due in client.due().again:
            client.resend(due)

The command `mft` does the same on a command line.
"""

from mft_client.client import Client
from mft_client.discovery import Discovery
from mft_client.errors import (
    ClaimedError,
    CredentialsError,
    FileChangedError,
    JournalError,
    MessageError,
    MftError,
    NameRefusedError,
    NoRecordError,
    NotAcknowledgedError,
    RecordRefusedError,
    SettingsError,
    UploadRefusedError,
)
from mft_client.protocol import BucketRecord, Outcome
from mft_client.queues import Collected
from mft_client.settings import Settings
from mft_client.submissions import Due, Planned, Sent, Submissions

__all__ = [
    "BucketRecord",
    "ClaimedError",
    "Client",
    "Collected",
    "CredentialsError",
    "Discovery",
    "Due",
    "FileChangedError",
    "JournalError",
    "MessageError",
    "MftError",
    "NameRefusedError",
    "NoRecordError",
    "NotAcknowledgedError",
    "Outcome",
    "Planned",
    "RecordRefusedError",
    "Sent",
    "Settings",
    "SettingsError",
    "Submissions",
    "UploadRefusedError",
]
