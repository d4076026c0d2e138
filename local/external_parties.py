"""The parties outside the platform, on this machine: customers with their keys, partners with their servers.

The registry names other people's hosts, buckets, queues and public keys. The local world runs the program on
a copy of the registry in which each of these is replaced by one of its own; nothing else is changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import yaml
from botocore.exceptions import ClientError

from customers.model import Customer
from local.aws.emulator import Emulator
from local.published_messages import checked
from local.sftp.partners import Partner, partner
from runtime.contract import REGION_OF, WEST, secret_name

_KEY_TYPE = "ecdsa-sha2-nistp256"


@dataclass
class ExternalParties:
    """Stands in for customers and partners.

    `keys` are private key files by SFTP user, `partners` are servers by customer id and destination, and
    `receipts` are URLs of queues by customer id and side. `watched` are topics whose alarms somebody gets.
    """

    aws: Emulator
    namespace: str
    folder: Path
    keys: dict[str, Path] = field(default_factory=dict)
    partners: dict[tuple[str, str], Partner] = field(default_factory=dict)
    receipts: dict[tuple[str, str], str] = field(default_factory=dict)
    watched: set[str] = field(default_factory=set)

    def stand_in(self, registry: Path, project: Path) -> None:
        """Write the registry's copy below `project/customers`, and make the parties that are new in it."""
        (project / "customers").mkdir(parents=True, exist_ok=True)
        for gone in {each.name for each in (project / "customers").glob("*.yaml")} - {
            each.name for each in registry.glob("*.yaml")
        }:
            (project / "customers" / gone).unlink()
        for path in sorted(registry.glob("*.yaml")):
            document = yaml.safe_load(path.read_text())
            for user in document.get("sftp", {}).get("users", ()):
                user["public_keys"] = [self._public_key(user["name"])]
            for name, destination in document["destinations"].items():
                self._destination(document["id"], name, destination)
            document["receipts"] = [
                self._receipt(document["id"], each) for each in document.get("receipts", ())
            ]
            (project / "customers" / path.name).write_text(yaml.safe_dump(document, sort_keys=False))

    def subscribe(self, customer: Customer, side: str, topic: str) -> None:
        """Subscribe a queue to a customer's receipts in one region, in place of its mail or web server."""
        if (customer.id, side) in self.receipts:
            return
        region = REGION_OF[side]
        url, arn = self._make_queue(f"receipts-of-{customer.id}", region)
        self.aws.client("sns", region).subscribe(
            TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes={"RawMessageDelivery": "true"}
        )
        self.receipts[customer.id, side] = url

    def watch(self, side: str, alerts: str) -> None:
        """Subscribe the operators' queue to the alarms of a cell, in place of their mail."""
        if alerts not in self.watched:
            _, arn = self._make_queue("alarms", REGION_OF[side])
            self.aws.client("sns", REGION_OF[side]).subscribe(TopicArn=alerts, Protocol="sqs", Endpoint=arn)
            self.watched.add(alerts)

    def take_receipts(self, customer: str, side: str) -> list[Mapping[str, Any]]:
        """Return the receipts and notices that a customer got in one region since the last call.

        Raises PublishedMessageError for a message that is not as the published schemas say.
        """
        sqs, url = self.aws.client("sqs", REGION_OF[side]), self.receipts[customer, side]
        taken: list[Mapping[str, Any]] = []
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                taken.append(checked(message["Body"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    def close(self) -> None:
        """Stop the partners' servers."""
        for each in self.partners.values():
            each.close()

    def _public_key(self, user: str) -> str:
        if user not in self.keys:
            key = asyncssh.generate_private_key(_KEY_TYPE)
            self.keys[user] = self.folder / f"{user}.key"
            self.keys[user].touch(mode=0o600)
            key.write_private_key(str(self.keys[user]), "pkcs1-pem")  # paramiko reads no other of asyncssh's
        return asyncssh.read_private_key(self.keys[user]).export_public_key().decode().strip()

    def _destination(self, customer: str, name: str, destination: dict[str, Any]) -> None:
        match destination["kind"]:
            case "sftp":
                self._server(customer, name, destination)
            case "s3":
                self._bucket(destination)
            case kind:
                raise ValueError(f"{customer}: {name}: the local world has no destination of kind {kind!r}")

    def _server(self, customer: str, name: str, destination: dict[str, Any]) -> None:
        server = self.partners.get((customer, name))
        if server is None:
            server = self.partners[customer, name] = partner().start()
            for region in REGION_OF.values():
                self.aws.client("secretsmanager", region).create_secret(
                    Name=secret_name(self.namespace, customer, destination["secret"]),
                    SecretString=server.private_key,
                )
        destination |= {
            "host": server.host,
            "port": server.port,
            "user": server.user,
            "host_key": server.host_key,
            "directory": server.directory,
        }

    def _bucket(self, destination: dict[str, Any]) -> None:
        region = destination.setdefault("region", REGION_OF[WEST])
        if "account" in destination:
            destination["account"] = self.aws.account
        s3 = self.aws.client("s3", region)
        try:
            s3.head_bucket(Bucket=destination["bucket"])
        except ClientError:
            s3.create_bucket(
                Bucket=destination["bucket"], CreateBucketConfiguration={"LocationConstraint": region}
            )

    def _receipt(self, customer: str, target: dict[str, Any]) -> dict[str, Any]:
        match target["kind"]:
            case "sqs":
                region, name = target["arn"].split(":")[3], target["arn"].split(":")[5]
                return {"kind": "sqs", "arn": self._make_queue(name, region)[1]}
            case "https":  # the emulated SNS would really call it
                return {"kind": "sqs", "arn": self._make_queue(f"web-of-{customer}", REGION_OF[WEST])[1]}
            case "email":  # the emulated SNS sends no mail
                return target
            case kind:
                raise ValueError(f"{customer}: the local world has no receipts of kind {kind!r}")

    def _make_queue(self, name: str, region: str) -> tuple[str, str]:
        sqs = self.aws.client("sqs", region)
        url = sqs.create_queue(QueueName=name)["QueueUrl"]
        answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return url, answer["Attributes"]["QueueArn"]
