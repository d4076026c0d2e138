"""Prints the ways into a running local world."""

from __future__ import annotations

import sys
from pathlib import Path

from rich.console import Console

from local.empty_aws import EmptyAws
from local.world import World
from runtime.contract import SIDES


def print_all(world: World, console: Console, *, as_json: bool) -> None:
    """Print how to reach both cells of a world, for a person or as one JSON document."""
    users = [(user.name, side) for each in world.customers() for user in each.sftp.users for side in SIDES]
    commands = {f"{user} in {side}": " ".join(world.sftp(user, side).command) for user, side in users}
    world.serve_names()
    server = world.dns
    assert server is not None
    if as_json:
        ways = {"endpoint": world.aws.endpoint, "sftp": commands, "dns": f"{server.address}:{server.port}"}
        ways |= {"root": str(world.project), "environment": world.environment}
        Console(soft_wrap=True).print_json(data=ways)
        return
    console.print("\n[bold]SFTP, as each customer's user:[/]")
    for who, command in commands.items():
        console.print(f"  {who}:\n    {command}", markup=False)
    console.print(f"\n[bold]AWS, for boto3 and the CLI:[/] {world.aws.endpoint}")
    environment = " ".join(f"{name}={value}" for name, value in world.environment.items())
    console.print(f"  export {environment} AWS_REGION=us-gov-west-1", markup=False)
    console.print("\n[bold]The operators' tools, in the same shell:[/]")
    for verb in ("ready", "status --watch", "evacuate us-gov-west-1"):
        console.print(f"  {sys.executable} -m ops {verb} --root {world.project}", markup=False)
    customer = world.customers()[0].id
    console.print(f"\n[bold]DNS, the zone {world.zone}:[/]")
    for name in (f"primary.{customer}.{world.zone} CNAME", f"_bucket.primary.{customer}.{world.zone} TXT"):
        console.print(f"  dig @{server.address} -p {server.port} {name}", markup=False)
    console.print("\nCtrl-C stops everything and removes it.")


def print_empty(aws: EmptyAws, state: Path, console: Console, *, as_json: bool) -> None:
    """Print how to deploy to an empty AWS, for a person or as one JSON document."""
    commands = aws.commands(state)
    if as_json:
        ways = {"endpoint": aws.endpoint, "environment": aws.environment, "settings": dict(aws.settings)}
        Console(soft_wrap=True).print_json(data=ways | {"commands": commands})
        return
    console.print(
        f"\n[bold]An AWS with nothing in it but the zone:[/] {aws.endpoint}\n"
        "\n[bold]Both stacks with the Pulumi CLI, in a clone of this project with its .venv activated:[/]"
    )
    for command in commands:
        console.print(f"  {command}", markup=False)
    console.print("\nA run of either stack after these finds nothing to change. Ctrl-C stops everything.")
