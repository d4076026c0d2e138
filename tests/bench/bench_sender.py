"""`mft send` beside the AWS CLI and boto3: `python -m tests.bench.bench_sender [ROUNDS] [MEGABYTES]`.

One run sends the same file to the same emulated S3 on loopback with `mft send`, with `aws s3 cp` where it is
installed, and with boto3's `upload_file`, in turn; each is measured from the start of its process to its end.
`mft` looks the bucket up in DNS, reads the file twice (once to know its SHA-256) and keeps its journal; the
others do neither. It prints seconds as minimum, median and maximum over the rounds, CPU seconds of the
client, and how many times as long the others took. It ends with 1 if `mft` takes more than TIMES the time of
the slowest of them. Seconds of a busy machine mean nothing by themselves.
"""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from dnslib import QTYPE, RR, TXT, DNSLabel

from local.aws.emulator import ACCOUNT, Emulator
from local.dns.wire import Listener
from local.dns.zone import Answer

ROUNDS, MEGABYTES = 5, 200
#: The budget: `mft` may take this many times the time of the slowest other tool.
TIMES = 1.5

_REGION, _BUCKET = "us-gov-west-1", "mft-c7k2m-west"
_SETTINGS = """
customer = "c7k2m"
zone = "mft.example.gov"
account = "{account}"
[buckets]
{region} = "{bucket}"
[dns]
resolvers = ["127.0.0.1:{port}"]
"""
_BOTO3 = (
    "import boto3, sys; s3 = boto3.client('s3');"
    f" s3.upload_file(sys.argv[1], '{_BUCKET}', 'inbound/sdk/boto3.bin')"
)


def _answer(name: DNSLabel, _type: str) -> Answer:
    text = f"v=mft1;bucket={_BUCKET};region={_REGION}"
    return Answer(answer=[RR(name, QTYPE.TXT, ttl=60, rdata=TXT(text))])


def _run(command: list[str], environment: Mapping[str, str], folder: Path) -> tuple[float, float]:
    """Return the seconds that a command takes, and those of CPU."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=environment, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - began, cpu


def _commands(file: Path) -> dict[str, list[str]]:
    found = {"mft send": [sys.executable, "-m", "mft_client", "send", str(file)]}
    if aws := shutil.which("aws"):
        found["aws s3 cp"] = [aws, "s3", "cp", str(file), f"s3://{_BUCKET}/inbound/sdk/cli.bin"]
    return found | {"boto3 upload_file": [sys.executable, "-c", _BOTO3, str(file)]}


def measure(rounds: int, megabytes: int, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Return the seconds and CPU seconds of each tool in each round."""
    file = folder / "file.bin"
    with file.open("wb") as stream:
        for _ in range(megabytes):
            stream.write(os.urandom(1_000_000))
    commands = _commands(file)
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    listener = Listener("127.0.0.1", 0, _answer)
    with Emulator(lambdas=1) as emulator:
        s3 = emulator.client("s3", _REGION)
        settings = _SETTINGS.format(account=ACCOUNT, region=_REGION, bucket=_BUCKET, port=listener.port)
        (folder / "mft.toml").write_text(settings)
        environment = {
            **os.environ,
            "AWS_ENDPOINT_URL": emulator.endpoint,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_DEFAULT_REGION": _REGION,
            "PYTHONPATH": str(Path(__file__).resolve().parents[2] / "client"),
        }
        for number in range(rounds):
            for name in list(commands) if number % 2 == 0 else reversed(commands):
                where = {"LocationConstraint": _REGION}
                s3.create_bucket(Bucket=_BUCKET, CreateBucketConfiguration=where)
                s3.put_bucket_versioning(Bucket=_BUCKET, VersioningConfiguration={"Status": "Enabled"})
                taken[name].append(_run(commands[name], environment, folder))
                [version] = s3.list_object_versions(Bucket=_BUCKET)["Versions"]
                assert version["Size"] == file.stat().st_size, name
                s3.delete_object(Bucket=_BUCKET, Key=version["Key"], VersionId=version["VersionId"])
                s3.delete_bucket(Bucket=_BUCKET)
    listener.close()
    return taken


def main() -> None:
    given = [int(word) for word in sys.argv[1:]]
    rounds, megabytes = (given + [ROUNDS, MEGABYTES][len(given) :])[:2]
    with tempfile.TemporaryDirectory() as folder:
        taken = measure(rounds, megabytes, Path(folder))
    print(f"{megabytes} MB, {rounds} rounds")
    medians = {}
    for name, each in taken.items():
        seconds, cpu = zip(*each, strict=True)
        medians[name] = statistics.median(seconds)
        spread = f"{min(seconds):.2f} / {medians[name]:.2f} / {max(seconds):.2f} s"
        rate = megabytes / medians[name]
        print(f"  {name:18} {spread:24} {rate:6.1f} MB/s, CPU {statistics.median(cpu):.2f} s")
    ours = medians.pop("mft send")
    for name, median in medians.items():
        print(f"  {name} takes {median / ours:.2f} times as long as mft send")
    sys.exit(ours > TIMES * max(medians.values()))


if __name__ == "__main__":
    main()
