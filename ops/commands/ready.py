"""`ready`: whether both cells are alike and well."""

from __future__ import annotations

import json
from dataclasses import asdict

import typer

from ops.cli import AllCustomers, AsJson, OfCell, Root, printable, refusing
from ops.environment import ROOT, Environment
from ops.progress import Bar

#: The platform has no certificates of its own: SFTP has host keys, and TLS ends at AWS.
CERTIFICATES = 0


def ready(
    customers: AllCustomers = None, as_json: AsJson = False, cell: OfCell = None, root: Root = ROOT
) -> None:
    """Compare both cells with each other and with the registry.

    Compared are host keys as they are served, users, buckets, replication, queues, alarms, quotas, health
    checks, records as Route 53 holds them and as the name servers answer, and the deployed registry. Each
    difference is a line, and the exit code is then 1.

    The command changes nothing. It works while a region or Route 53's control plane is dead: that is a
    difference too.

    Example: mft-ops ready c7k2m
    """
    from ops.health.ready import Readiness  # loads pydantic, which verbs of an incident do without

    with refusing(as_json=as_json):
        readiness = Readiness(Environment.read(root, cell), root, customers or ())
        with Bar(readiness.steps, "looked at") as bar:
            report = readiness.look(bar.steps)
    found = report.differences
    if as_json:
        document = {"ready": not found, "customers": report.customers, "registry": report.revision}
        document |= {"silent": list(report.silent), "certificates": CERTIFICATES}
        typer.echo(json.dumps({**document, "differences": [asdict(each) for each in found]}))
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
