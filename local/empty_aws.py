"""An emulated AWS in which there is only the zone, for the real Pulumi engine to deploy to.

with EmptyAws() as aws:
    ...  # pulumi up, with `aws.environment` and `aws.settings`
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from rich.console import Console

from local import leftovers, program
from local.aws.emulator import Emulator, EmulatorError


class EmptyAws(Emulator):
    """An emulated AWS of the account in the stack files below `root`, with their zone."""

    def __init__(self, root: Path = program.ROOT) -> None:
        config = program.stack_config("gov-west", root=root)
        self._zone = config["mft:zone"]
        super().__init__(account=config["mft:accountId"])

    def start(self) -> Self:
        """Start the emulated AWS and make the zone; EmulatorError if it does not start."""
        super().start()
        made = self.client("route53", "us-gov-west-1").create_hosted_zone(
            Name=self._zone, CallerReference="empty"
        )
        self.settings: Mapping[str, str] = {
            "mft:zoneId": made["HostedZone"]["Id"].rpartition("/")[2],
            "mft:lambdaRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        }
        return self

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which the AWS provider, AWS's tools and the program find this AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.account,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def variables(self, state: Path) -> dict[str, str]:
        """Return the environment of the Pulumi CLI that keeps the state of both stacks below a folder."""
        return {
            **self.environment,
            "PULUMI_BACKEND_URL": f"file://{state}",
            "PULUMI_CONFIG_PASSPHRASE": "local",
        }

    def commands(self, state: Path) -> list[str]:
        """Return the shell's commands that deploy both stacks here, with their state below a folder."""
        setting = " && ".join(
            f"pulumi config set {name} {value} --stack gov-$side" for name, value in self.settings.items()
        )
        keys = " && ".join(
            f"pulumi config set --secret mft:{name} --stack gov-$side < {file}"
            for name, file in (("hostKeyRsa", "rsa"), ("hostKeyEcdsa", "ecdsa"), ("canaryKey", "canary"))
        )
        return [
            "export " + " ".join(f"{name}={value}" for name, value in self.variables(state).items()),
            f"mkdir -p {state}",
            f"python -m components.bundle {self.settings['mft:lambdaRuntime']}",
            "ssh-keygen -q -t rsa -b 3072 -m PEM -N '' -f rsa",
            "ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f ecdsa",
            "ssh-keygen -q -t ecdsa -b 256 -m PEM -N '' -f canary",
            f"for side in west east; do pulumi stack init gov-$side && {setting} && {keys}; done",
            "pulumi config set mft:peer absent --stack gov-west && pulumi up --yes --stack gov-west",
            "pulumi up --yes --stack gov-east",
            "pulumi config set mft:peer present --stack gov-west && pulumi up --yes --stack gov-west",
        ]


def serve(root: Path, console: Console, *, as_json: bool) -> None:
    """Start an empty AWS, print how to deploy to it, and keep it running until KeyboardInterrupt.

    Raises EmulatorError if it does not start, or ends by itself.
    """
    with EmptyAws(root) as aws:
        commands = aws.commands(leftovers.folder() / "state")
        if as_json:
            ways = {"endpoint": aws.endpoint, "environment": aws.environment, "settings": dict(aws.settings)}
            Console(soft_wrap=True).print_json(data=ways | {"commands": commands})
        console.print(
            f"\n[bold]An AWS with nothing in it but the zone:[/] {aws.endpoint}\n"
            "\n[bold]Both stacks with the Pulumi CLI, in a clone of this project with its .venv activated:[/]"
        )
        for command in commands:
            console.print(f"  {command}", markup=False)
        console.print("\nA run of either stack after these finds nothing to change. Ctrl-C stops everything.")
        with suppress(KeyboardInterrupt):
            while aws.alive():
                time.sleep(1)
            raise EmulatorError(f"the emulated AWS has ended; the last lines of its log:\n{aws.tail()}")
