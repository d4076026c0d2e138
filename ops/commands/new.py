"""`new`: the file of a new customer, from flags or from answers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ops.cli import AsJson, Root, refusing
from ops.environment import ROOT, names_place
from ops.plan import COMMAND

NewFile = Annotated[str, typer.Argument(metavar="FILE", help="Name of the new file in customers/.")]
Name = Annotated[str | None, typer.Option("--name", metavar="NAME", help="The customer's name, for people.")]
Primary = Annotated[
    str | None, typer.Option("--primary", metavar="SIDE", help="Region of its name `primary.`: east or west.")
]
LoginKeys = Annotated[
    list[Path] | None,
    typer.Option(
        "--login-key", metavar="FILE", help="File with a public key of its logins; may be given again."
    ),
]
Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source", metavar="NETWORK", help="Network that its logins come from; may be given again."
    ),
]
Principals = Annotated[
    list[str] | None,
    typer.Option("--principal", metavar="ARN", help="IAM role that sends by the S3 API; may be given again."),
]
To = Annotated[
    str | None,
    typer.Option(
        "--to", metavar="URL", help="Destination: sftp://user@host/directory or s3://bucket/prefix/."
    ),
]
HostKey = Annotated[
    Path | None,
    typer.Option("--host-key", metavar="FILE", help="File with the public host key of the partner's server."),
]
Receipt = Annotated[
    str | None,
    typer.Option("--receipt", metavar="TARGET", help="Queue's ARN, https address or mailbox for receipts."),
]
Id = Annotated[str | None, typer.Option("--id", metavar="ID", help="Its opaque id; a new one by default.")]
InCell = Annotated[
    str | None, typer.Option("--cell", metavar="NUMBER", help="Cell that serves it, where there are several.")
]


def new(
    file: NewFile,
    name: Name = None,
    primary: Primary = None,
    login_key: LoginKeys = None,
    source: Sources = None,
    principal: Principals = None,
    to: To = None,
    host_key: HostKey = None,
    receipt: Receipt = None,
    id: Id = None,
    cell: InCell = None,
    as_json: AsJson = False,
    root: Root = ROOT,
) -> None:
    """Write the file of a new customer, which starts as `onboarding`.

    What the options leave open is asked for, where standard input is a terminal. The file is checked with all
    others before it is written. Refused is an id that another file has, here or in another branch that git
    knows. AWS is not asked.

    Example: mft-ops new agency-e --name "Agency E" --primary west --login-key e.pub --source 192.0.2.0/28
    --to s3://partner-e-inbox/
    """
    from ops.onboarding import destination_url
    from ops.onboarding.new_customer import Draft, NewCustomer, fresh_id, only_cell
    from ops.onboarding.public_key_file import read_key

    with refusing(as_json=as_json):
        namespace, _ = names_place(root)
        draft = Draft(root, file)
        ask = _Asking()
        name = ask.required(name, "--name", "Name of the customer, for people")
        primary = ask.required(primary, "--primary", "Region that its name primary. points to, east or west")
        if not (login_key or principal):
            principal = ask.some("ARN of the role that sends by the S3 API (empty: it sends by SFTP)")
        if not principal and not login_key:
            words = "--login-key or --principal", "File with the public key of its SFTP login"
            login_key = [Path(path)] if (path := ask.required(None, *words)) else None
        if login_key and not source:
            source = [ask.required(None, "--source", "Network that its logins come from, as 192.0.2.0/28")]
        to = ask.required(to, "--to", "Destination, sftp://user@host/directory or s3://bucket/prefix/")
        if destination_url.is_sftp(to) and host_key is None:
            host_key = Path(ask.required(None, "--host-key", "File with that server's public host key"))
        if receipt is None:
            receipt = next(
                iter(ask.some("Queue's ARN, https address or mailbox for receipts (empty: none)")), None
            )
        cell = ask.required(cell or only_cell(root), "--cell", "Number of the cell that serves it")
        ask.refuse_missing()
        id = id or fresh_id(draft.ids)
        customer = NewCustomer(
            id=id,
            name=name,
            primary=primary,
            cell=cell,
            login_keys=tuple(read_key(path, "--login-key") for path in login_key or ()),
            sources=tuple(source or ()),
            principals=tuple(principal or ()),
            destination=destination_url.parse(to, read_key(host_key, "--host-key") if host_key else None),
            receipt=receipt,
        )
        branches = draft.refuse_taken(id)
        draft.write(customer)
    then = [f"{COMMAND} check --base origin/main", "mft-local plan --base origin/main --markdown"]
    secret = f"{namespace}/{id}/partner" if host_key else None
    if as_json:
        typer.echo(
            json.dumps({"id": id, "file": draft.path, "secret": secret, "branches": branches, "next": then})
        )
        return
    typer.echo(f"{draft.path} is written, of customer {id}; {branches}")
    if secret:
        typer.echo(f"store the private key for the partner in Secrets Manager of both regions, as {secret}")
    typer.echo(f"before the pull request: {'; '.join(then)}")


class _Asking:
    """Answers that the options do not give: asked for at a terminal, and otherwise noted as missing."""

    def __init__(self) -> None:
        self._at_terminal = sys.stdin.isatty()
        self._missing: list[str] = []

    def required(self, given: str | None, flag: str, question: str) -> str:
        """Return what was given or is answered; an answer is asked for until there is one."""
        if given:
            return given
        if self._at_terminal:
            return str(typer.prompt(question, err=True))
        self._missing.append(flag)
        return ""

    def some(self, question: str) -> list[str]:
        """Return the answer to a question that may be left open, if there is one."""
        if not self._at_terminal:
            return []
        answer = str(typer.prompt(question, default="", show_default=False, err=True))
        return [answer] if answer else []

    def refuse_missing(self) -> None:
        """Raise BadParameter that names all options that are missing."""
        if self._missing:
            flags = ", ".join(self._missing)
            raise typer.BadParameter(f"give {flags}: there is no terminal at which to ask for the answers")
