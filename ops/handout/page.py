"""The sections of a handout. They name nothing that is secret, and no other customer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from customers import names
from customers.receipt_targets import EmailReceipt, HttpsReceipt, SqsReceipt
from customers.route_checks import client_names
from ops.handout.blocks import Block, Code, Line, Paragraph, Points, Sample, Section, Table
from ops.handout.clients import FILE, KEY, KNOWN_HOSTS, Login, samples
from ops.handout.facts import HandoutFacts
from runtime.contract import ENDPOINTS, INBOUND_SDK, PARTITION, REGION_OF, SIDES, Outcome
from runtime.metric_names import SwitchKind
from runtime.timing import SWITCH_INTERVAL, SWITCH_LOOKS, SWITCH_MINUTES, SWITCH_PERIOD, SWITCH_PERIODS

#: What stands where a handout misses something.
MISSING = "(missing: ask the operators)"


def title(facts: HandoutFacts) -> str:
    """Return the title of the page."""
    return f"Sending files: {facts.customer.name} ({facts.customer.id})"


def sections(facts: HandoutFacts) -> list[Section]:
    """Return the page of a customer who takes part; what is missing says so in its place."""
    found = []
    if facts.customer.is_refused:
        line = [
            "Uploads are refused, and the names lead nowhere, until the operators say that service begins."
        ]
        found.append(Section("Before service begins", [Paragraph(line)]))
    if facts.customer.sftp.users:
        found.append(Section("Names and addresses", list(_names(facts))))
        found.append(Section("Sending by SFTP", list(_sftp(facts))))
    if facts.customer.sdk.principals:
        found.append(Section("Sending by the S3 API", list(_s3(facts))))
    return [
        *found,
        Section("Receipts", list(_receipts(facts))),
        Section("When a region fails", list(_failover(facts))),
    ]


def _names(facts: HandoutFacts) -> Iterator[Block]:
    customer = facts.customer
    yield Paragraph(
        [
            "Use the first name. While all is well it leads to ",
            Code(REGION_OF[customer.primary]),
            " (as ",
            Code(f"{customer.primary}."),
            " does), and in a failover to the other region.",
        ]
    )
    yield Points([[Code(host), f", port {facts.port}"] for host in facts.hosts])
    yield Paragraph(
        [
            "These are the addresses of both regions. Your firewall must let connections out to all of them,",
            " and you may put them on an allow list. Connect by name: an address does not fail over.",
        ]
    )
    rows: list[list[Line]] = [
        [[Code(REGION_OF[side])], _listed(facts.addresses.get(side, ()))] for side in SIDES
    ]
    yield Table(["region", "addresses"], rows)


def _listed(values: Sequence[str]) -> Line:
    parts: list[str] = []
    for each in values:
        parts += [", "] * bool(parts) + [Code(each)]
    return parts or [MISSING]


def _sftp(facts: HandoutFacts) -> Iterator[Block]:
    customer = facts.customer
    yield Paragraph(["Logins, by public key only, and the networks that they may come from:"])
    yield Table(
        ["login", "networks"],
        [[[Code(user.name)], _listed(user.source_cidrs)] for user in customer.sftp.users],
    )
    yield Paragraph(
        [
            "Both regions have the same host keys. Compare them with these fingerprints, which you must",
            " have received over a channel that you trust. If a client shows another key, do not connect.",
        ]
    )
    prints = [[Code(f"{type} {each}")] for type, each in sorted(facts.fingerprints.items())]
    yield Points(prints or [[MISSING]])
    yield Paragraph(["The line for ", Code(KNOWN_HOSTS), ":"])
    yield Sample(facts.known_hosts) if facts.known_hosts else Paragraph([MISSING])
    yield Paragraph(
        [
            "In these samples ",
            Code(KEY),
            " is your private key, ",
            Code(KNOWN_HOSTS),
            " a file with the line",
            " above, and ",
            Code(FILE),
            " the file that is sent.",
        ]
    )
    type = facts.host_key.split()[0] if facts.host_key else "TYPE"
    for user in customer.sftp.users:
        login = Login(
            host=facts.hosts[0],
            user=user.name,
            port=facts.port,
            host_key_type=type,
            fingerprint=facts.fingerprints.get(type, "FINGERPRINT"),
        )
        for client, lines in samples(login):
            yield Paragraph([f"{client}, as ", Code(user.name), ":"])
            yield Sample(lines)
    patterns = (*client_names(customer.incoming.client), *customer.temporary_names)
    yield Paragraph(
        [
            "Your client is registered as ",
            Code(customer.incoming.client),
            ". A file with one of these names",
            " is unfinished, and is sent under the name that it is renamed to: ",
            *_listed(patterns),
            ".",
        ]
        if patterns
        else [
            "Your client is registered as ",
            Code(customer.incoming.client),
            ": it writes a file under its",
            " own name, and no name waits for a rename.",
        ]
    )


def _s3(facts: HandoutFacts) -> Iterator[Block]:
    customer, environment = facts.customer, facts.environment
    yield Paragraph(
        [
            "Before each upload, look up the TXT record. It names the bucket and region that take files now:",
            " ",
            Code("v=mft1;bucket=BUCKET;region=REGION"),
            ". Keys begin with ",
            Code(INBOUND_SDK),
            ".",
        ]
    )
    order = sorted(ENDPOINTS, key=lambda each: (each != "primary", each))
    yield Points([[Code(names.bucket_record(each, customer.id, environment.zone))] for each in order])
    yield Paragraph(
        [
            "The buckets are these, of the account ",
            Code(environment.account),
            ". Refuse any other, and any",
            " other owner (",
            Code("ExpectedBucketOwner"),
            ").",
        ]
    )
    yield Points(
        [
            [Code(names.bucket(environment.stem, customer.id, side)), f" in {REGION_OF[side]}"]
            for side in SIDES
        ]
    )
    yield Paragraph(["These principals may send: ", *_listed(customer.sdk.principals), "."])
    yield Paragraph(
        ["The command ", Code("mft"), " knows all this by its file of settings, ", Code("mft.toml"), ":"]
    )
    yield Sample(_settings(facts))


def _settings(facts: HandoutFacts) -> str:
    """Return the settings of the senders' command, as `client/mft_client/settings.py` reads them."""
    customer, environment = facts.customer, facts.environment
    topic = names.receipts_topic(environment.stem, customer.id)
    topics = (f"arn:{PARTITION}:sns:{REGION_OF[side]}:{environment.account}:{topic}" for side in SIDES)
    return "\n".join(
        [
            f'customer = "{customer.id}"',
            f'zone = "{environment.zone}"',
            f'account = "{environment.account}"',
            "[buckets]",
            *(f'{REGION_OF[side]} = "{names.bucket(environment.stem, customer.id, side)}"' for side in SIDES),
            "[receipts]",
            "topics = [" + ", ".join(f'"{topic}"' for topic in topics) + "]",
        ]
    )


def _receipts(facts: HandoutFacts) -> Iterator[Block]:
    yield Paragraph(
        [
            "For each file you receive a JSON message with its ",
            Code("key"),
            ", its ",
            Code("size"),
            ", what",
            " became of it at each destination, and the ",
            Code("outcome"),
            " of the whole:",
        ]
    )
    yield Table(["outcome", "what it means"], [[[Code(each)], [_means(each)]] for each in Outcome])
    targets: list[Line] = []
    for each in facts.customer.receipts:
        match each:
            case SqsReceipt():
                targets.append(["the queue ", Code(each.arn)])
            case HttpsReceipt():
                targets.append(["the web address ", Code(each.url)])
            case EmailReceipt():
                targets.append(["the mailbox ", Code(each.address)])
            case _:
                assert_never(each)
    yield Paragraph(["They arrive here:" if targets else "No place is registered to which they are sent."])
    if targets:
        yield Points(targets)
    if quota := facts.customer.limits.files_per_hour:
        yield Paragraph(
            [
                f"Each region takes in {quota:,} of your files in an hour of the clock (UTC). Others are",
                " rejected with a receipt that says so: send them again in a later hour.",
            ]
        )


def _means(outcome: Outcome) -> str:
    match outcome:
        case Outcome.DELIVERED:
            return "every destination has the file"
        case Outcome.DUPLICATE:
            return "the same content was delivered before, so nothing was sent"
        case Outcome.FAILED:
            return "a destination does not have the file; the reason is in the message"
        case Outcome.HELD:
            return "nobody knows whether a destination has it: wait, the operators ask and you are told again"
        case Outcome.REJECTED:
            return "the file was not accepted; the reason is in the message"
        case _:
            assert_never(outcome)


def _failover(facts: HandoutFacts) -> Iterator[Block]:
    customer = facts.customer
    ttl = customer.failover.ttl
    match facts.environment.switch:
        case SwitchKind.ALARM:
            seen = SWITCH_PERIOD * SWITCH_PERIODS
        case SwitchKind.ENDPOINT:
            seen = SWITCH_MINUTES * 60 + SWITCH_INTERVAL * SWITCH_LOOKS
        case _:
            assert_never(facts.environment.switch)
    yield Paragraph(
        [
            "The operators decide when your names move to the other region. All of them then lead there.",
            " It takes",
            f" {seen} s until DNS sees the decision, the time in which DNS evaluates it, and {ttl} s in",
            " which resolvers may keep an older answer: some minutes in all. Connections may fail till then.",
        ]
    )
    yield Points(
        [
            [f"Look the name up for each connection, and keep an answer for {ttl} s at most (its TTL)."],
            ["Repeat a connection that fails for at least ten minutes, with a pause between two tries."],
            ["A session that was open before stays where it was: close it and connect again."],
            ["A notice tells you which files to send again and which not. It arrives where receipts arrive."],
            ["Send every file for which you have no receipt again, under the same name.", _again(facts)],
        ]
    )


def _again(facts: HandoutFacts) -> str:
    duplicates = facts.customer.duplicates
    match duplicates.policy:
        case "content":
            return (
                f" Within {duplicates.window} content that was delivered already is recognised, and is"
                " not delivered twice."
            )
        case "version":
            return " Each submission is delivered, even if an earlier one had the same content."
        case _:
            assert_never(duplicates.policy)
