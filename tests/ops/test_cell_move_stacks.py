"""A whole move between two pairs of cells as the real program makes them: every proof is real.

One emulated AWS, one name server, two SSH servers that stand for the endpoints of both cells.
"""

from __future__ import annotations

import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncssh
import boto3
import pytest
import yaml

from components import bundle
from components.settings import CANARY_KEY, HOST_KEYS
from customers.registry import load
from customers.service_quotas import ADDRESSES as ADDRESSES_QUOTA
from customers.service_quotas import ADDRESSES_OF_CELL
from local import program
from local.aws.emulator import Emulator
from local.aws.provision import Provisioner
from local.dns.server import DnsServer
from local.program import Resource
from ops import chosen_cell, environment
from ops.dns.name_servers import ENV_NAME_SERVERS
from ops.health.served_keys import ENV_SFTP_PORT
from runtime.contract import REGION_OF, SIDES, WEST
from tests.ops.conftest import Clients
from tests.ops.twins import ADDRESSES, ZONE, SshServers, Twins, _cached, _maker
from tests.program.conftest import RUNTIME

pytestmark = pytest.mark.exhaustive

ID = "c7k2m"
STACKS = [f"gov-{side}{suffix}" for suffix in ("", "-2") for side in reversed(SIDES)]
WHY = ("--reason", "cell 1 is full")


@dataclass
class Stacks(Twins):
    """Four stacks, which run on what the customers' files say, and what an operator types."""

    provisioners: dict[str, Provisioner] = field(default_factory=dict)
    code: Path = Path()

    @property
    def file(self) -> Path:
        return self.root / "customers" / "agency-a.yaml"

    def up(self, stack: str, *, peer: str = "present") -> None:
        """Run a stack on the files, and delete what it no longer declares, unless it is to stay."""
        config = program.stack_config(stack, root=self.root)
        made = self.provisioners.setdefault(stack, Provisioner(self.aws, region=str(config["mft:region"])))
        keys = zip((*HOST_KEYS, CANARY_KEY), (*self.keys, self.keys[-1]), strict=True)
        graph = program.run(
            stack,
            make=_maker(made, self.code),
            ask=made.ask,
            config={**config, "mft:peer": peer, "mft:lambdaRuntime": RUNTIME},
            secrets={f"mft:{name}": key for name, key in keys},
            root=self.root,
            main=program.ROOT / "__main__.py",
        )
        if stack in self.graphs:
            left = {each.urn for each in graph.resources}
            for each in self.graphs[stack].resources:
                if each.urn not in left and each.custom:
                    assert not each.protect, each.urn
                    made.known.pop(each.urn, None)
                    if not each.retain_on_delete:
                        self.delete(stack, each)
        self.graphs[stack] = graph

    def delete(self, stack: str, gone: Resource) -> None:
        side = next(side for side in SIDES if side in stack)
        match gone.type:
            case "aws:transfer/user:User":
                self.client("transfer", side).delete_user(
                    ServerId=gone.inputs["serverId"], UserName=gone.inputs["userName"]
                )
            case "aws:route53/healthCheck:HealthCheck":
                self.client("route53").delete_health_check(HealthCheckId=gone.id)
            case "aws:s3/bucketObjectv2:BucketObjectv2":
                self.client("s3", side).delete_object(Bucket=gone.inputs["bucket"], Key=gone.inputs["key"])
            case "aws:sns/topic:Topic":
                self.client("sns", side).delete_topic(TopicArn=gone.outputs["arn"])
            case other:
                assert other in HARMLESS, other

    def answers(self) -> set[str]:
        """Return what the name server answers for the customer's six names."""
        assert self.server
        self.server.refresh()
        names = [f"{each}.{ID}.{ZONE}" for each in ("east", "west", "primary")]
        found = [self.server.answer(name, "CNAME").values for name in names]
        found += [self.server.answer(f"_bucket.{name}", "TXT").values for name in names]
        return {value for values in found for value in values}

    def step(self, *words: str) -> dict[str, Any]:
        """Plan the next step, take it, and run all four stacks."""
        verb = ("cell", "move", ID, *words)
        plan = yaml.safe_load(self.ops(*verb, "--json").out)
        assert not plan.get("missing", [plan]), plan
        done = self.ops(*verb, *WHY, "--apply", "--digest", plan["digest"], "--json")
        assert done.code == 0, done
        for stack in STACKS:
            self.up(stack)
        return dict(plan)


#: What may go without anything else to do here: it goes with what it belongs to, or calls functions.
HARMLESS = {
    "aws:transfer/sshKey:SshKey",
    "aws:s3/bucketNotification:BucketNotification",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    "aws:sns/topicSubscription:TopicSubscription",
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule",
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
}


@pytest.fixture
def stacks(tmp_path: Path, clients: Clients, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stacks]:
    bundle.install(RUNTIME)
    (tmp_path / "customers").mkdir()
    text = (program.ROOT / "customers" / "agency-a.yaml").read_text()
    (tmp_path / "customers" / "agency-a.yaml").write_text(without_receipts(text))
    code = tmp_path / "nothing.zip"
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("runtime/handlers/nothing.py", "")
    sorts: tuple[tuple[str, dict[str, Any]], ...] = (
        ("ssh-rsa", {"key_size": 2048}),
        ("ecdsa-sha2-nistp256", {}),
    )
    keys = [asyncssh.generate_private_key(name, **more).export_private_key().decode() for name, more in sorts]
    for name in [name for name in os.environ if name.startswith(("AWS_", "MFT_"))]:
        monkeypatch.delenv(name)
    with Emulator() as aws:
        made = Stacks(aws=aws, root=tmp_path, ssh=SshServers(), keys=keys, code=code)
        monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint)  # the program's provider depends on it
        zone = made.client("route53").create_hosted_zone(Name=ZONE, CallerReference="stacks")
        made.zone_id = zone["HostedZone"]["Id"].rpartition("/")[2]
        for region in REGION_OF.values():
            aws.service_quota(region, ADDRESSES_QUOTA.code, 2 * ADDRESSES_OF_CELL)
        for stack in STACKS:
            folder = program.ROOT / "docs/cells" if stack.endswith("-2") else program.ROOT
            document = yaml.safe_load((folder / f"Pulumi.{stack}.yaml").read_text())
            document["config"]["mft:zoneId"] = made.zone_id
            (tmp_path / f"Pulumi.{stack}.yaml").write_text(yaml.safe_dump(document))
        for suffix in ("", "-2"):
            for side, peer in ((WEST, "absent"), ("east", "present"), (WEST, "present")):
                made.up(f"gov-{side}{suffix}", peer=peer)
        addresses = {
            address.outputs["publicIp"]: ADDRESSES[next(side for side in SIDES if side in stack)]
            for stack, graph in made.graphs.items()
            for address in graph.of("aws:ec2/eip:Eip")
        }
        with DnsServer(
            _cached(lambda service, region: aws.client(service, region)), made.zone_id, ZONE, addresses
        ) as server:
            made.server = server
            for address in ADDRESSES.values():
                made.ssh.serve(address, keys)
            for name, value in {
                "AWS_ACCESS_KEY_ID": aws.account,
                "AWS_SECRET_ACCESS_KEY": "local",
                ENV_NAME_SERVERS: f"{server.address}:{server.port}",
                ENV_SFTP_PORT: str(made.ssh.port),
            }.items():
                monkeypatch.setenv(name, value)
            monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
            monkeypatch.setattr(boto3, "client", clients.client)
            environment._client.cache_clear()
            yield made
        made.ssh.close()
    environment._client.cache_clear()
    clients.rest()
    chosen_cell.choose(None, "")


def without_receipts(text: str) -> str:
    """Return a customer's file without targets of receipts: the twins' makers subscribe nobody."""
    document = yaml.safe_load(text)
    document.pop("receipts", None)
    lines = text.splitlines(keepends=True)
    kept, skipping = [], False
    for line in lines:
        if not line.startswith((" ", "#", "\n")):
            skipping = line.startswith("receipts:")
        kept += [] if skipping else [line]
    assert yaml.safe_load("".join(kept)) == document
    return "".join(kept)


def ready(stacks: Stacks) -> None:
    for cell in ("1", "2"):
        result = stacks.ops("ready", "--cell", cell)
        assert result.code == 0, result.out


def test_both_cells_are_ready_after_every_step_and_the_names_always_answer(stacks: Stacks) -> None:
    ready(stacks)
    first = stacks.answers()
    assert len(first) == 4
    assert stacks.step("--to", "2")["step"] == "prepared"
    ready(stacks)
    assert stacks.step()["step"] == "opened"
    ready(stacks)
    assert stacks.answers() == first
    plan = stacks.step()
    assert (plan["step"], plan["records"]) == ("switched", 12)
    ready(stacks)
    last = stacks.answers()
    assert len(last) == 4
    assert not last & first
    assert stacks.step()["step"] == "drained"
    ready(stacks)
    assert stacks.answers() == last
    assert stacks.step()["step"] is None
    ready(stacks)
    assert stacks.answers() == last
    customer = next(each for each in load(stacks.root / "customers").customers if each.id == ID)
    assert (customer.cell, customer.move) == ("2", None)
    assert "agency" in stacks.file.read_text()
