"""Who sends in the drill: customers of the registry, chosen by what their files do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from customers.document import routing_document
from customers.model import Customer, S3Destination, SftpDestination
from local.drill.story import StoryError
from runtime import contract
from runtime.patterns import literal_prefix
from runtime.routing import RoutingDocument, RoutingRule


@dataclass(frozen=True, kw_only=True)
class Sender:
    """A customer and the folder that it uploads to: that of an SFTP user, or of a route for SDK clients."""

    customer: Customer
    folder: str
    user: str = ""

    def key(self, name: str) -> str:
        """Return the key of a file with this name."""
        return f"{self.folder}{name}"

    def route(self, name: str) -> RoutingRule | None:
        """Return the routing rule for a file with this name, found as the functions find it."""
        document = {**routing_document(self.customer), "receipts_topic": ""}  # the topic decides no route
        return RoutingDocument.parse(document).route(self.key(name))


def sftp_senders(customers: Sequence[Customer]) -> list[Sender]:
    """Return a sender for each SFTP user."""
    return [
        Sender(customer=customer, user=user.name, folder=contract.sftp_home(user.name))
        for customer in customers
        for user in customer.sftp.users
    ]


def sdk_senders(customers: Sequence[Customer]) -> list[Sender]:
    """Return a sender for each route that SDK clients use."""
    return [
        Sender(customer=customer, folder=f"{contract.INBOUND}{literal_prefix(route.match)}")
        for customer in customers
        for route in customer.routes
        if customer.sdk.principals and route.match.startswith("sdk/")
    ]


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Who sends in a drill.

    `by_sftp` is an SFTP user whose customer recognises duplicates by content; the files of `by_sdk` go to a
    bucket. `regular` sends by SFTP to a partner's server, for another customer than `by_sftp` if possible.
    """

    by_sftp: Sender
    by_sdk: Sender
    regular: Sender

    @classmethod
    def of(cls, customers: Sequence[Customer]) -> Cast:
        """Choose from the customers of a registry; StoryError if none fits a part."""
        users = sftp_senders(customers)
        by_sftp = first(
            [each for each in users if each.customer.duplicates.policy == "content"],
            SftpDestination,
            "SFTP user whose .csv files go to one SFTP destination, with duplicates by content",
        )
        by_sdk = first(
            sdk_senders(customers),
            S3Destination,
            "SDK principal whose .csv files go to one S3 destination",
        )
        others = [each for each in users if each.customer.id != by_sftp.customer.id]
        regular = first([*others, by_sftp], SftpDestination, "SFTP user")
        return cls(by_sftp=by_sftp, by_sdk=by_sdk, regular=regular)


def first(senders: list[Sender], kind: type, need: str) -> Sender:
    """Return the first sender of an active customer whose files go to exactly one destination, of a kind.

    Raises StoryError, which says that there is no `need`, if there is none.
    """
    for sender in senders:
        route = sender.route("report.csv")
        if not sender.customer.is_in_service or route is None or len(route.to) != 1:
            continue
        if isinstance(sender.customer.destinations[route.to[0]], kind):
            return sender
    raise StoryError(f"the drill needs an active customer with an {need}; the registry has none")
