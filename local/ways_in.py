"""How a person reaches a world that is running."""

from __future__ import annotations

import sys

from rich.console import Console

from customers.model import S3Destination
from local.levers import HELP
from local.world import World
from runtime.contract import REGION_OF, SIDES, WEST


def show(world: World, console: Console, *, as_json: bool) -> None:
    """Print how to reach a running world: its SFTP users, its AWS, its names and the operators' tools."""
    users = [(user.name, side) for each in world.customers() for user in each.sftp.users for side in SIDES]
    commands = {f"{user} in {side}": " ".join(world.sftp(user, side).command) for user, side in users}
    world.serve_names()
    server = world.dns
    assert server is not None
    # boto3 and version 1 of the AWS CLI read only AWS_DEFAULT_REGION, and AWS's other SDKs only AWS_REGION.
    region = REGION_OF[WEST]
    variables = {**world.environment, "AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    if as_json:
        ways = {"endpoint": world.aws.endpoint, "sftp": commands, "dns": f"{server.address}:{server.port}"}
        ways |= {"root": str(world.project), "environment": variables}
        Console(soft_wrap=True).print_json(data=ways)
        return
    console.print("\n[bold]SFTP, as each customer's user:[/]")
    for who, command in commands.items():
        console.print(f"  {who}:\n    {command}", markup=False)
    console.print(
        "  scp takes the same options; other clients need the host keys, the key and the port in them."
    )
    console.print(f"\n[bold]AWS, for boto3 and the CLI:[/] {world.aws.endpoint}")
    environment = " ".join(f"{name}={value}" for name, value in variables.items())
    console.print(f"  export {environment}", markup=False)
    console.print(
        f"  before boto3 1.28 and CLI 1.29 or 2.13, also: --endpoint-url {world.aws.endpoint}", markup=False
    )
    console.print("\n[bold]The operators' tools, in the same shell:[/]")
    for verb in ("ready", "status --watch", "console", "evacuate us-gov-west-1"):
        console.print(f"  {sys.executable} -m ops {verb} --root {world.project}", markup=False)
    customer = world.customers()[0].id
    console.print(f"\n[bold]DNS, the zone {world.zone}:[/]")
    for name in (f"primary.{customer}.{world.zone} CNAME", f"_bucket.primary.{customer}.{world.zone} TXT"):
        console.print(f"  dig @{server.address} -p {server.port} {name}", markup=False)
    console.print("\n[bold]Where deliveries come out:[/]")
    for (id, name), partner in sorted(world.external_parties.partners.items()):
        console.print(f"  {id}/{name}: {partner.inbox}", markup=False)
    for each in world.customers():
        for name, destination in sorted(each.destinations.items()):
            if isinstance(destination, S3Destination):
                where = f"s3://{destination.bucket}/{destination.prefix}"
                console.print(f"  {each.id}/{name}: aws s3 ls --recursive {where}", markup=False)
    console.print("\n[bold]Type here, to let something happen:[/]")
    for line in HELP:
        console.print(f"  {line}", markup=False)
    console.print("\nCtrl-C stops everything and removes it.")
