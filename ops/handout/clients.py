"""Lines that send one file with each client, for a customer's own host and login."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

#: What the lines call the customer's private key, the file with the host key, and the file that is sent.
KEY, KNOWN_HOSTS, FILE = "id_ecdsa", "known_hosts", "report.csv"


@dataclass(frozen=True, kw_only=True)
class Login:
    """Where one login connects to. `fingerprint` is that of `host_key_type`, `SHA256:...`."""

    host: str
    user: str
    port: int
    host_key_type: str
    fingerprint: str


def samples(login: Login) -> Iterator[tuple[str, str]]:
    """Yield the names of clients, each with the lines that send FILE with it."""
    host, user, port = login.host, login.user, login.port
    digest = login.fingerprint.removeprefix("SHA256:")
    is_usual = port == 22
    known = f"-i {KEY} -o UserKnownHostsFile={KNOWN_HOSTS} -o StrictHostKeyChecking=yes"
    at = "" if is_usual else f"-P {port} "
    yield "OpenSSH", f"echo 'put {FILE}' | sftp -b - {at}{known} {user}@{host}"
    at = "" if is_usual else f":{port}"
    yield (
        "WinSCP (the key in PuTTY's format)",
        f'winscp.com /ini=nul /command "open sftp://{quote(user, safe="")}@{host}{at}/'
        f" -privatekey={KEY}.ppk"
        f' -hostkey=""{login.host_key_type} {login.host_key_type[-3:]} {digest}""" "put {FILE}" "exit"',
    )
    opened = "open" if is_usual else f"open -p {port}"
    program = f"set sftp:connect-program 'ssh -a -x {known}'"
    yield "lftp", f'lftp -c "{program}; {opened} -u {user},x sftp://{host}; put {FILE}"'
    at = "" if is_usual else f"port={port},"
    yield (
        "rclone",
        f"rclone copyto {FILE} ':sftp,host={host},{at}user={user},key_file={KEY},"
        f"known_hosts_file={KNOWN_HOSTS},shell_type=none:{FILE}'",
    )
    at = "" if is_usual else f"port={port}, "
    yield (
        "paramiko",
        "import paramiko\n\n"
        "with paramiko.SSHClient() as client:\n"
        f'    client.load_host_keys("{KNOWN_HOSTS}")\n'
        f'    client.connect("{host}", {at}username="{user}", key_filename="{KEY}",\n'
        "                   allow_agent=False, look_for_keys=False)\n"
        "    with client.open_sftp() as sftp:\n"
        f'        sftp.put("{FILE}", "{FILE}")',
    )
    at = "" if is_usual else f":{port}"
    yield (
        "curl (with libssh2 1.11 or newer)",
        f"curl --key {KEY} --pubkey {KEY}.pub --hostpubsha256 {digest} --user '{user}:'"
        f" --upload-file {FILE} sftp://{host}{at}/~/{FILE}",
    )
