"""The command `mft`: its verbs, its help, its exit codes, and one clear line for everything that is wrong."""

from __future__ import annotations

import itertools
import json
import re
import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import typer.main
import typer.testing

import mft_client.__main__
from mft_client import Settings, SettingsError
from tests.client.conftest import CUSTOMER, EAST, WEST, Place, write_settings
from tests.client.test_client_journal import process
from tests.client.test_client_resends import receipt

WIDTH = 80
VERBS = ["resend", "send", "status", "watch"]


class Said(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def mft(place: Place, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run the command in this process, in the folder of a place with a file of settings."""
    place.settings_file(receipts={"queues": {EAST: place.queue}, "window_hours": 99_999})
    monkeypatch.chdir(place.folder)
    for name, value in place.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MFT_SETTINGS", raising=False)
    monkeypatch.setattr(mft_client.Client.__init__, "__kwdefaults__", _impatient())

    def run(*words: str) -> Said:
        done = typer.testing.CliRunner().invoke(mft_client.__main__.app, list(words), prog_name="mft")
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Said(done.exit_code, done.stdout, done.stderr)

    return run


def _impatient() -> dict[str, Any]:
    """Return the defaults of a client that does not wait between two tries."""
    return {**mft_client.Client.__init__.__kwdefaults__, "pauses": ()}


def test_a_file_is_sent_looked_for_and_settled(place: Place, mft: Any) -> None:
    said = mft("send", "report.csv", "--as", "daily/")
    assert said.code == 0
    assert re.fullmatch(rf"daily/report\.csv: 8 bytes are in {WEST}, version \S+\n", said.out)
    assert place.held(WEST) == [b"a,b\n1,2\n"]
    waiting = mft("status")
    assert (waiting.code, waiting.out.splitlines()[-1]) == (0, "1 waiting")
    version = place.versions(WEST)[0]["VersionId"]
    place.tell(receipt(version, "rejected"))
    rejected = mft("status", "--json")
    assert (rejected.code, rejected.document["counts"]) == (1, {"rejected": 1})
    assert rejected.document["files"][0]["name"] == "daily/report.csv"
    place.tell(receipt(version, "delivered"))
    assert mft("status") == (0, "1 delivered\n", "")
    assert mft("status", "daily/report.csv").out.startswith("delivered")
    assert mft("resend", "--json").document == {"sent": [], "refused": {}, "late": []}


def test_what_has_no_receipt_is_sent_again_and_what_is_too_old_is_listed(place: Place, mft: Any) -> None:
    client = place.client()  # in March, so that every receipt is overdue
    sent = [client.send(place.source, f"{number}.csv") for number in range(3)]
    place.tell(receipt(sent[0].version_id, "delivered", key=sent[0].key))
    place.settings_file()  # with a window of 24 hours
    late = mft("resend")
    assert (late.code, late.out) == (1, "")
    assert "1.csv: has no receipt, and was sent too long ago" in late.err
    assert mft("status").code == 1
    place.settings_file(receipts={"queues": {EAST: place.queue}, "window_hours": 99_999})
    said = mft("resend", "--json")
    assert (said.code, [each["key"] for each in said.document["sent"]]) == (
        0,
        ["inbound/sdk/1.csv", "inbound/sdk/2.csv"],
    )
    assert mft("resend", "--json").document["sent"] == []
    assert len(place.held(WEST, "inbound/sdk/1.csv")) == 2


def test_a_file_that_was_changed_is_refused_and_the_others_are_sent_again(place: Place, mft: Any) -> None:
    client = place.client()
    for name in ("a.csv", "b.csv"):
        (place.folder / name).write_bytes(name.encode())
        client.send(place.folder / name, name)
    (place.folder / "a.csv").write_bytes(b"changed")
    said = mft("resend", "--json")
    assert (said.code, len(said.document["sent"])) == (1, 1)
    assert (
        "has changed since it was sent; restore the file whose SHA-256" in said.document["refused"]["a.csv"]
    )


def test_what_appears_in_a_watched_folder_is_sent_until_the_command_is_stopped(place: Place) -> None:
    place.settings_file()
    outbox = place.folder / "outbox"
    outbox.mkdir()
    watching = process(place, "watch", "outbox", "--as", "daily/", "--quiet", "0.2", "--json")
    (outbox / "a.csv.part").write_bytes(b"whole")
    (outbox / "a.csv.part").rename(outbox / "a.csv")
    assert watching.stdout
    first = json.loads(watching.stdout.readline())
    (outbox / "b\ud800.csv".encode("utf-8", "surrogatepass").decode("utf-8", "replace")).write_bytes(b"2")
    second = json.loads(watching.stdout.readline())
    watching.send_signal(signal.SIGTERM)
    out, err = watching.communicate(timeout=60)
    assert (watching.returncode, out, err) == (0, "", "")
    assert (first["sent"]["key"], first["sent"]["size"]) == ("inbound/sdk/daily/a.csv", 5)
    assert second["sent"]["size"] == 1


# --- What is wrong is one line ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "line"),
    [
        (
            {"customer": None},
            "mft.toml: customer: is missing; write the id that the platform's operators",
        ),
        ({"customer": "Agency A"}, "mft.toml: customer: is 'Agency A'; write the id"),
        ({"zone": "gov"}, "mft.toml: zone: is 'gov'; write the platform's DNS zone"),
        (
            {"account": 123456789012},
            "mft.toml: account: is 123456789012; write the 12 digits of the",
        ),
        ({"account": "1234"}, "mft.toml: account: is '1234'; write the 12 digits"),
        ({"buckets": {}}, "mft.toml: buckets: is missing; write the platform's bucket of each region"),
        ({"buckets": {"us-west-1": "b-1"}}, "mft.toml: buckets.us-west-1: is not known; use one of: us-gov"),
        ({"buckets": {WEST: "B"}}, f"mft.toml: buckets.{WEST}: is 'B'; write the name of a bucket"),
        ({"buckets": "b-1"}, "mft.toml: buckets: is 'b-1'; write a table"),
        ({"bucket": "b-1"}, "mft.toml: bucket: is not known; use one of: account, customer, journal, zone"),
        ({"journal": 1}, "mft.toml: journal: is 1; write the path of a file"),
        ({"receipts": {"queues": {WEST: "q"}}}, f"receipts.queues.{WEST}: is 'q'; write the URL of a queue"),
        ({"receipts": {"queues": {"mars": "q"}}}, "receipts.queues: is 'mars'; write one of the regions"),
        ({"receipts": {"topics": ["t"]}}, "receipts.topics: is 't'; write the ARN of a topic in aws-us-gov"),
        (
            {"receipts": {"topics": [f"arn:aws-us-gov:sns:{WEST}:210987654321:t"]}},
            "write a topic of the platform's account 123456789012",
        ),
        ({"receipts": {"window_hours": 0}}, "receipts.window_hours: is 0; write a whole number above 0"),
        (
            {"dns": {"resolvers": ["ns.example.gov"]}},
            "dns.resolvers: is 'ns.example.gov'; write the IP",
        ),
        (
            {"dns": {"resolvers": ["10.0.0.2:99999"]}},
            "dns.resolvers: is '10.0.0.2:99999'; write the IP",
        ),
        ({"dns": {"resolvers": "10.0.0.2"}}, "dns.resolvers: is '10.0.0.2'; write a list"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value)[:40],
)
def test_bad_settings(tmp_path: Path, entries: dict[str, Any], line: str) -> None:
    good = {
        "customer": CUSTOMER,
        "zone": "mft.example.gov",
        "account": "123456789012",
        "buckets": {WEST: "mft-c7k2m-west", EAST: ["mft-c7k2m-east", "mft-cell2-c7k2m-east"]},
    }
    assert Settings.read(write_settings(tmp_path / "mft.toml", good)).journal == tmp_path / "mft.journal"
    with pytest.raises(SettingsError) as raised:
        Settings.read(write_settings(tmp_path / "mft.toml", good | entries))
    said = str(raised.value)
    assert (len(said.splitlines()), line in said) == (1, True), said


def test_bad_settings_stop_a_verb_before_anything_happens(place: Place, mft: Any) -> None:
    place.settings_file(account="1234")
    said = mft("send", "report.csv")
    line = "mft.toml: account: is '1234'; write the 12 digits of the platform's account, in quotes"
    assert said == (1, "", f"{line}\n")
    assert mft("send", "report.csv", "--json").document == {"refused": line}
    assert not place.settings().journal.exists()


def test_settings_that_cannot_be_read(place: Place, mft: Any) -> None:
    for name, text, line in (
        (
            "none.toml",
            None,
            "none.toml: cannot be read: No such file or directory; name the file of",
        ),
        ("bad.toml", b"customer =", "bad.toml: is not TOML: Invalid value"),
        ("bytes.toml", b"\xff", "bytes.toml: is not TOML: "),
    ):
        if text is not None:
            Path(name).write_bytes(text)
        said = mft("status", "--settings", name)
        assert (said.code, len(said.err.splitlines()), said.err.startswith(line)) == (1, 1, True), said.err


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("send", "nothing.csv"), "nothing.csv: there is no such file; name one that exists"),
        (("send", "report.csv", "folder"), "folder: there is no such file; name one that exists"),
        (("send", "report.csv", "--as", "../a"), "'../a' is not the name of a file: it has the segment '..'"),
        (
            ("send", "report.csv", "folder/report.csv"),
            "two of these files have the same name; send them one",
        ),
        (("status", "nobody.csv"), "'nobody.csv' was never sent with this journal; see `mft status`"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_files(place: Place, mft: Any, words: tuple[str, ...], line: str) -> None:
    (place.folder / "folder").mkdir()
    (place.folder / "folder" / "report.csv").write_bytes(b"x")
    said = mft(*words)
    assert (said.code, said.out, len(said.err.splitlines()), line in said.err) == (1, "", 1, True), said.err
    assert (place.versions(WEST), place.client().files()) == ([], [])


def test_what_dns_and_aws_refuse(place: Place, mft: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is acknowledged, so the file is due afterwards."""
    lines = {}
    place.says("v=mft1;bucket=stranger;region=us-gov-west-1")
    lines["poisoned"] = mft("send", "report.csv").err
    place.says("hello")
    lines["malformed"] = mft("send", "report.csv").err
    place.points_to(WEST)
    place.settings_file(account="210987654321")
    lines["account"] = mft("send", "report.csv").err
    place.settings_file(dns={"resolvers": [_closed_port()]})
    lines["no resolver"] = mft("send", "report.csv").err
    place.settings_file()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    lines["no credentials"] = mft("send", "report.csv").err
    monkeypatch.setenv("AWS_PROFILE", "none")
    lines["no profile"] = mft("send", "report.csv").err
    assert {name: len(line.splitlines()) for name, line in lines.items()} == dict.fromkeys(lines, 1), lines
    for name, part in (
        ("poisoned", "names stranger in us-gov-west-1, which is not one of the buckets in the settings"),
        ("malformed", "after 1 tries: _bucket.primary.c7k2m."),
        ("account", "see that the bucket is account 210987654321's"),
        ("no resolver", "it is in the journal: send it again with `mft resend`"),
        (
            "no credentials",
            "there are no usable AWS credentials: Unable to locate credentials; set AWS_",
        ),
        (
            "no profile",
            "there are no usable AWS credentials: The config profile (none) could not be",
        ),
    ):
        assert part in lines[name]
    due = place.client().due().again
    assert (place.versions(WEST), [each.key for each in due]) == ([], ["inbound/sdk/report.csv"])


def _closed_port() -> str:
    with closing(socket.socket(type=socket.SOCK_DGRAM)) as closed:
        closed.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{closed.getsockname()[1]}"


def test_the_journal_of_another_customer(place: Place, mft: Any) -> None:
    place.client().close()
    place.settings_file(customer="other")
    said = mft("status")
    assert (said.code, said.out) == (1, "")
    assert re.fullmatch(rf".*mft\.journal: is the journal of {CUSTOMER}, not of other; .*\n", said.err)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("send",),
        ("send", "report.csv", "--endpoint", "north"),
        ("send", "report.csv", "mft.toml", "--as", "one"),
        ("watch",),
        ("watch", "report.csv"),
        ("watch", ".", "--as", "no-slash"),
        ("watch", ".", "--quiet", "0"),
        ("fetch",),
        ("status", "--verbose"),
    ],
    ids=" ".join,
)
def test_usage_errors_exit_2(mft: Any, words: tuple[str, ...]) -> None:
    assert mft(*words).code == 2


# --- Help ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_an_example_with_options_that_exist(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    done = typer.testing.CliRunner().invoke(mft_client.__main__.app, [verb, "--help"], prog_name="mft")
    assert done.exit_code == 0
    assert all(len(line) <= WIDTH for line in done.stdout.splitlines())
    described = re.split(r"\n(?:Arguments|Options):\n", done.stdout)[0]
    example = " ".join(described.split("\n\n")[-1].split())
    assert example.startswith(f"Example: mft {verb}")
    command = typer.main.get_command(mft_client.__main__.app).commands[verb]  # type: ignore[attr-defined]
    options = {*itertools.chain.from_iterable(each.opts for each in command.params)}
    assert {word for word in example.split() if word.startswith("--")} <= options
    assert {"--json", "--settings"} <= options


def test_the_list_of_verbs_has_whole_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    done = typer.testing.CliRunner().invoke(mft_client.__main__.app, ["--help"], prog_name="mft")
    assert "..." not in done.stdout.partition("\n")[2]


def test_every_verb_is_looked_at() -> None:
    assert sorted(typer.main.get_command(mft_client.__main__.app).commands) == VERBS  # type: ignore[attr-defined]
