"""`ready`: whether both cells are alike and well."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from ops.cli import AsJson, Root, printable, refusing
from ops.environment import ROOT, Environment
from ops.progress import Bar

Customers = Annotated[
    list[str] | None, typer.Argument(help="Customers' ids; all if none is named.", metavar="[CUSTOMER]...")
]

#: The platform has none of its own: SFTP has host keys, and what else is encrypted ends at AWS.
CERTIFICATES = 0


def ready(customers: Customers = None, as_json: AsJson = False, root: Root = ROOT) -> None:
    """Compare both cells, and customers in them, with each other and the registry.

    Host keys as they are served, users, buckets, replication, queues, alarms,
    quotas, health checks, records as Route 53 holds them and as the name servers
    answer, the deployed registry. Exit 1 with a line for every difference.

    Works with one region dead, or Route 53's control plane: says so, exit 1.

    Example: python -m ops ready c7k2m
    """
    from ops.health.ready import Readiness  # pydantic is no load for the verbs of an incident

    with refusing(as_json=as_json, advice="nothing was changed: run it again"):
        readiness = Readiness(Environment.read(root), root, customers or ())
        with Bar(readiness.steps, "looked at") as bar:
            report = readiness.look(bar.steps)
    found = report.differences
    if as_json:
        told = {"ready": not found, "customers": report.customers, "registry": report.revision}
        told |= {"silent": list(report.silent), "certificates": CERTIFICATES}
        typer.echo(json.dumps({**told, "differences": [asdict(each) for each in found]}))
        raise typer.Exit(1 if found else 0)
    for each in found:
        typer.echo(printable(each.line))
    noun = "customer" if report.customers == 1 else "customers"
    about = f"{report.customers:,} {noun}, registry {report.revision}, no certificates"
    if found:
        noun = "difference" if len(found) == 1 else "differences"
        silent = f"; {' and '.join(report.silent)} not looked at" if report.silent else ""
        typer.echo(f"NOT READY: {len(found):,} {noun}{silent} ({about})")
        raise typer.Exit(1)
    typer.echo(f"ready: both cells are alike and well ({about})")
