"""The customers' SDK: find the bucket by name, upload, and know what to send again.

    client = Client("c7k2m", "mft.example.gov", journal=Path("sent.jsonl"))
    client.upload(Path("report.csv"), "daily/report.csv")
    client.told(receipt)                # each message of the receipt topic, parsed: receipts and notices
    for sent in client.due().again:
        client.resend(sent)

Runs on the customer's side with boto3 and dnspython; it is no part of the functions' bundle.
"""

from runtime.client.buckets import Buckets, NotFoundError
from runtime.client.client import ChangedError, Client, NotAcknowledgedError
from runtime.client.journal import JournalError
from runtime.client.ledger import Due, Ledger, Sent
from runtime.client.upload import RefusedError

__all__ = [
    "Buckets",
    "ChangedError",
    "Client",
    "Due",
    "JournalError",
    "Ledger",
    "NotAcknowledgedError",
    "NotFoundError",
    "RefusedError",
    "Sent",
]
