"""The SDK for customers: find the bucket by name, upload files, and know which ones to send again.

    client = Client("c7k2m", "mft.example.gov", journal=Path("sent.jsonl"))
    client.upload(Path("report.csv"), "daily/report.csv")
    client.receive(message)             # each receipt and notice that comes from the receipt topic, parsed
    for sent in client.due().again:
        client.resend(sent)

It runs at the customer's with boto3 and dnspython, and is not part of the functions' bundle.
"""

from runtime.client.buckets import Buckets, NotFoundError
from runtime.client.client import Client, FileChangedError, NotAcknowledgedError
from runtime.client.journal import JournalError
from runtime.client.messages import MessageError
from runtime.client.submissions import Due, Sent, Submissions
from runtime.client.upload import UploadRefusedError

__all__ = [
    "Buckets",
    "Client",
    "Due",
    "FileChangedError",
    "JournalError",
    "MessageError",
    "NotAcknowledgedError",
    "NotFoundError",
    "Sent",
    "Submissions",
    "UploadRefusedError",
]
