"""The wording of a notice, for people and for programs, and how it is cut to fit a message. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ops.plan import command
from runtime.routing import compares

#: The most bytes of a message, with room for its subject and attributes.
#: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
LIMIT = 250_000

_LISTS = {
    "resend": "Send again",
    "held": "Held: do not send again until you hear from us",
    "delivered": "Delivered: no need to send again",
}
#: What is said of a destination, where it is not the name of the field.
_ABOUT = {"duplicate_of": "duplicate of", "not_delivered": "not delivered:", "held": "held:"}


def text(notice: Mapping[str, Any]) -> str:
    """Return a notice's document as plain text."""
    return "\n".join(_lines(notice, title="{}".format, heading="\n{}\n".format, code="{}".format)) + "\n"


def markdown(notice: Mapping[str, Any]) -> str:
    """Return a notice's document as Markdown."""
    forms = {"title": "# {}".format, "heading": "\n## {}\n".format, "code": "`{}`".format}
    return "\n".join(_lines(notice, **forms)) + "\n"


def subject(notice: Mapping[str, Any]) -> str:
    """Return a notice's subject."""
    return f"{notice['out']} is out: send to {notice['region']}"


def message(document: Callable[[int], Mapping[str, Any]], files: int) -> str:
    """Return the message that lists as many of `files` files as there is room for.

    `document` returns the notice with its lists cut to a number of files. Programs get it as JSON, mailboxes
    as text (https://docs.aws.amazon.com/sns/latest/dg/sns-send-custom-platform-specific-payloads-mobile-devices.html).
    """
    fits, too_many = 0, files + 1
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if len(_message(document(middle)).encode()) <= LIMIT:
            fits = middle
        else:
            too_many = middle
    return _message(document(fits))


def _message(notice: Mapping[str, Any]) -> str:
    return json.dumps({"default": json.dumps(notice, sort_keys=True), "email": text(notice)})


def _lines(
    notice: Mapping[str, Any],
    *,
    title: Callable[[str], str],
    heading: Callable[[str], str],
    code: Callable[[str], str],
) -> Iterator[str]:
    out, region, hosts = notice["out"], notice["region"], notice["hosts"]
    yield title(f"{subject(notice)} (customer {notice['customer']})")
    yield heading("Where to send")
    yield f"{out} is out of service. {region} takes your files."
    yield ""
    yield f"- Clients that look up {code(hosts['primary'])} or the TXT record {code(notice['record'])}"
    yield "  whenever they connect need no change."
    yield f"- SFTP clients with a fixed host name: {code(hosts['region'])} or {code(hosts['cell'])}."
    yield f"- S3 clients with a fixed bucket: {code(notice['bucket'])} in {region}, with the same keys."
    yield heading("What to send again")
    yield f"Send again every file that you sent to {out} since {notice['since']} and for which you have"
    yield "no receipt that says `delivered` or `duplicate`, under the same name, whether it is listed here or"
    yield "not; but not what is listed here as delivered or held."
    yield ""
    if compares(notice["policy"]):
        window = _length(notice["window_seconds"])
        yield f"A file that is sent again within {window} of the first time is recognised by its"
        yield "content: it is not delivered twice, and its receipt says `duplicate`. So send again soon: a"
        yield "file that was first sent longer ago may be delivered a second time."
    else:
        yield "Your files are delivered as often as you send them: a file that is sent again is delivered"
        yield "again, and an unfinished one below may still be delivered from the region that received it."
    if not any(notice[name]["count"] for name in _LISTS):
        yield f"\nWe know of no file that you sent since {notice['since']}."
        return
    for name, words in _LISTS.items():
        yield heading(f"{words} ({notice[name]['count']:,})")
        yield from _files(notice, name, code) if notice[name]["count"] else ("none that we know of",)


def _files(notice: Mapping[str, Any], name: str, code: Callable[[str], str]) -> Iterator[str]:
    listed = notice[name]
    for file in listed["files"]:
        yield f"- {code(file['key'])}, sent {file['submitted']}, transfer {file['transfer']}{_more(file)}"
    if missing := listed["count"] - len(listed["files"]):
        yield f"- and {missing:,} more, for which there is no room here; your operators can list all with"
        yield f"  {code(whole(notice))}"


def whole(notice: Mapping[str, Any]) -> str:
    """Return the command that prints a notice with complete lists."""
    words = (notice["customer"], "--region", notice["out"], "--since", notice["since"])
    return command("notice", *words, "--json")


def _more(file: Mapping[str, Any]) -> str:
    remarks = [file["why"]] if "why" in file else []
    for destination in file.get("destinations", ()):
        about = [f"{_ABOUT.get(name, name)} {value}" for name, value in destination.items() if name != "name"]
        remarks.append(f"{destination['name']}: {', '.join(about)}")
    return "".join(f"; {each}" for each in remarks)


def _length(seconds: int) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {unit if count > 1 else unit[:-1]}"
    return f"{seconds} seconds"
