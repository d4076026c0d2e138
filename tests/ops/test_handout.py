"""`mft-ops handout`: the page from both cells as the program makes them, and every client's sample lines."""

from __future__ import annotations

import asyncio
import html.parser
import json
import re
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from mft_client import Settings
from ops.handout.blocks import Code, Paragraph, Points, Sample, Section, Table, as_html, as_markdown
from ops.handout.clients import FILE, KEY, KNOWN_HOSTS, Login, samples
from runtime.contract import EAST, ENDPOINTS, REGION_OF, SIDES, WEST
from tests.ops.twins import ZONE, Twins, twin_cells, twins  # noqa: F401 - fixtures

ADDRESS = "127.0.0.4"


# --- The page ------------------------------------------------------------------------------------


def made(twins: Twins, *words: str) -> str:  # noqa: F811
    result = twins.ops("handout", *words)
    assert (result.code, result.err) == (0, ""), result
    return result.out


def test_a_sender_by_sftp_finds_names_keys_addresses_and_lines(twins):  # noqa: F811
    page = made(twins, "c7k2m")
    assert all(f"`{endpoint}.c7k2m.{ZONE}`" in page for endpoint in ENDPOINTS)
    for side in SIDES:
        for address in twins.graphs[side].of("aws:ec2/eip:Eip"):
            is_endpoint = "endpoint" in address.name
            assert (f"`{address.outputs['publicIp']}`" in page) == is_endpoint, address.name
    keys = [asyncssh.import_private_key(each) for each in twins.keys]
    assert all(key.get_fingerprint() in page for key in keys)
    public = keys[1].export_public_key().decode().split()
    hosts = ",".join(f"[{name}.c7k2m.{ZONE}]:{twins.ssh.port}" for name in ("primary", "east", "west"))
    assert f"{hosts} {public[0]} {public[1]}\n" in page
    assert page.count(f"c7k2m-batch@primary.c7k2m.{ZONE}") >= 2
    assert "transfers@agency-a.example" in page
    assert "_bucket." not in page, "it does not send by the S3 API"
    assert "sftp.partner-a.example" not in page, "of partners it says nothing"
    assert "PRIVATE" not in page


def test_a_sender_by_the_s3_api_finds_records_and_buckets(twins):  # noqa: F811
    page = made(twins, "h4t9q")
    assert "Sending by SFTP" not in page
    assert "allow list" not in page, "the addresses are those of the SFTP endpoints"
    assert all(f"`_bucket.{endpoint}.h4t9q.{ZONE}`" in page for endpoint in ENDPOINTS)
    assert all(f"`{twins.bucket('h4t9q', side)}` in {REGION_OF[side]}" in page for side in SIDES)


def test_the_settings_on_the_page_are_those_that_the_senders_command_reads(twins, tmp_path):  # noqa: F811
    page = made(twins, "h4t9q")
    sample = page[page.index('customer = "h4t9q"') :].partition("```")[0]
    (tmp_path / "mft.toml").write_text(sample)
    settings = Settings.read(tmp_path / "mft.toml")
    assert (settings.customer, settings.zone) == ("h4t9q", ZONE)
    for side in SIDES:
        exports = twins.graphs[side].exports
        assert settings.buckets[REGION_OF[side]] == (exports["buckets"]["h4t9q"],)
        assert exports["receipts"]["h4t9q"] in settings.topics
        assert f":{settings.account}:" in exports["receipts"]["h4t9q"]


def test_before_service_begins_the_page_says_so(twins):  # noqa: F811
    assert "until the operators say that service begins" in made(twins, "r2w6d")
    assert "Before service begins" not in made(twins, "c7k2m")


def test_it_is_written_as_markdown_and_html(twins, tmp_path):  # noqa: F811
    folder = tmp_path / "new" / "pages"
    paths = [folder / f"handout-c7k2m.{kind}" for kind in ("md", "html")]
    assert made(twins, "c7k2m", "--out", str(folder)).splitlines() == [str(each) for each in paths]
    assert sorted(folder.iterdir()) == sorted(paths)
    assert paths[0].read_text() == made(twins, "c7k2m")
    assert paths[1].read_text() == made(twins, "c7k2m", "--html")
    document = json.loads(made(twins, "c7k2m", "--json"))
    assert (document["missing"], document["written"]) == ([], [])
    assert (document["markdown"], document["html"]) == tuple(each.read_text() for each in paths)


def test_a_dead_region_is_missing_and_the_other_one_is_told(twins):  # noqa: F811
    with twins.dead(WEST):
        result = twins.ops("handout", "c7k2m")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith(f"missing: addresses and host keys of {REGION_OF[WEST]}: ")
    assert f"| `{REGION_OF[WEST]}` | (missing: ask the operators) |" in result.out
    assert "ecdsa-sha2-nistp256 AAAA" in result.out


def test_a_cell_that_is_not_deployed_is_missing(twins):  # noqa: F811
    name = f"/{twins.namespace}/cell1/parts"
    ssm = {side: twins.client("ssm", side) for side in SIDES}
    held = {side: each.get_parameter(Name=name)["Parameter"]["Value"] for side, each in ssm.items()}
    try:
        for each in ssm.values():
            each.delete_parameter(Name=name)
        result = twins.ops("handout", "c7k2m")
        assert result.code == 1
        assert [line.split(":")[1].split()[-1] for line in result.err.splitlines()] == [
            REGION_OF[EAST],
            REGION_OF[WEST],
        ]
        assert "pulumi up" in result.err
        assert f"`primary.c7k2m.{ZONE}`" in result.out
    finally:
        for side, each in ssm.items():
            each.put_parameter(Name=name, Value=held[side], Type="String", Overwrite=True)


def test_what_is_wrong_is_refused_in_one_line(twins, tmp_path):  # noqa: F811
    (tmp_path / "file").write_text("")
    for words, line in (
        (("c7k2n",), "'c7k2n' is not a customer of this cell; did you mean c7k2m?"),
        (
            ("c7k2m", "--out", str(tmp_path / "file")),
            f"{tmp_path / 'file'} cannot be written to: File exists",
        ),
    ):
        result = twins.ops("handout", *words)
        assert (result.code, result.line) == (1, line)


def test_one_that_is_leaving_gets_no_page(twins):  # noqa: F811
    file = twins.root / "customers" / "agency-a.yaml"
    text = file.read_text()
    try:
        file.write_text(text.replace("lifecycle: active", "lifecycle: draining"))
        result = twins.ops("handout", "c7k2m")
    finally:
        file.write_text(text)
    assert (result.code, result.line) == (
        1,
        "c7k2m is draining, and sends no files: there is nothing to hand out",
    )


# --- Escaping ------------------------------------------------------------------------------------

HOSTILE = '<script>alert(1)</script> & "x" | `a``b` *c* [d](e)'


class Reader(html.parser.HTMLParser):
    """The text of a page, and the names of its elements."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.add(tag)

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def test_names_with_characters_of_html_and_markdown_are_shown_as_they_are():
    line = [HOSTILE, Code(HOSTILE)]
    blocks = [Paragraph(line), Points([line]), Table(["a"], [[line]]), Sample(HOSTILE)]
    page = as_html(HOSTILE, [Section(HOSTILE, blocks)])
    reader = Reader()
    reader.feed(page)
    assert "script" not in reader.tags
    assert sum(text == HOSTILE for text in reader.text) >= 5
    text = as_markdown(HOSTILE, [Section("s", blocks)])
    assert text.startswith(r"# \<script\>alert(1)\</script\> \& ")
    assert f"``` {HOSTILE} ```" in text
    (row,) = (each for each in text.splitlines() if each.startswith("| ") and "script" in each)
    assert len(re.findall(r"(?<!\\)\|", row)) == 2


# --- The sample lines ----------------------------------------------------------------------------


class Server:
    """An SFTP server on loopback that takes one login by its key and shows one host key."""

    def __init__(self, folder: Path, user: str) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        host_key, key = (asyncssh.generate_private_key("ecdsa-sha2-nistp256") for _ in range(2))
        key.write_private_key(folder / KEY, "pkcs1-pem")
        (folder / KEY).chmod(0o600)
        key.write_public_key(folder / f"{KEY}.pub")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        allowed = asyncssh.import_authorized_keys(key.export_public_key().decode())

        async def listen() -> Any:
            return await asyncssh.listen(
                ADDRESS,
                0,
                server_host_keys=[host_key],
                authorized_client_keys=allowed,
                sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(self.home).encode()),
            )

        self._acceptor = self._do(listen())
        self.port = self._acceptor.get_port()
        public = host_key.export_public_key().decode().strip()
        (folder / KNOWN_HOSTS).write_text(f"[{ADDRESS}]:{self.port} {public}\n")
        self.login = Login(
            host=ADDRESS,
            user=user,
            port=self.port,
            host_key_type="ecdsa-sha2-nistp256",
            fingerprint=host_key.get_fingerprint(),
        )

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def close(self) -> None:
        self._acceptor.close()
        self._do(self._acceptor.wait_closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


PROGRAMS = {"OpenSSH": "sftp", "lftp": "lftp", "rclone": "rclone", "paramiko": "", "curl": "curl"}


@pytest.mark.parametrize("client", PROGRAMS)
def test_the_lines_of_a_client_send_the_file(client, tmp_path):
    if client == "paramiko":
        pytest.importorskip("paramiko", reason="no paramiko in this environment")
    elif not shutil.which(PROGRAMS[client]):
        pytest.skip(f"no {client} on this machine")
    (tmp_path / FILE).write_text("a,b\n")
    server = Server(tmp_path, "c7k2m-batch")
    try:
        lines = next(lines for name, lines in samples(server.login) if name.startswith(client))
        words = [sys.executable, "-c", lines] if client == "paramiko" else ["sh", "-ec", lines]
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        server.close()
    assert done.returncode == 0, done.stderr
    assert (server.home / FILE).read_text() == "a,b\n"


def test_the_lines_of_winscp_name_the_key_and_the_host_as_winscp_wants_it():
    """https://winscp.net/eng/docs/scriptcommand_open, and `/command` in its page on command lines."""
    login = Login(
        host="primary.c7k2m.example",
        user="a@b",
        port=22,
        host_key_type="ecdsa-sha2-nistp256",
        fingerprint="SHA256:abc",
    )
    (lines,) = (lines for name, lines in samples(login) if name.startswith("WinSCP"))
    assert "open sftp://a%40b@primary.c7k2m.example/ " in lines
    assert '-hostkey=""ecdsa-sha2-nistp256 256 abc"""' in lines
    assert shlex.split(lines)[0] == "winscp.com"
