"""What the operators tell a sender: who it is, and which account and buckets are the platform's."""

from __future__ import annotations

import ipaddress
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from mft_client.errors import SettingsError
from mft_client.protocol import PARTITION, REGIONS, BucketRecord

_CUSTOMER = re.compile(r"[a-z0-9]{1,32}")
_ZONE = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]([a-z0-9-]*[a-z0-9])?")
_ACCOUNT = re.compile(r"[0-9]{12}")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_QUEUE = re.compile(r"https?://[^\s/]+/[0-9]{12}/[A-Za-z0-9_.-]{1,80}")
_TOPIC = re.compile(rf"arn:{PARTITION}:sns:({'|'.join(REGIONS)}):([0-9]{{12}}):[A-Za-z0-9_-]{{1,256}}")

#: The entries of a file, by table; "" is what stands before the first table.
_ENTRIES = {
    "": {"customer", "zone", "account", "journal"},
    "buckets": set(REGIONS),
    "receipts": {"queues", "topics", "patience_minutes", "window_hours"},
    "dns": {"resolvers"},
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of one sender.

    `buckets` and `queues` are names and URLs by region. `account` owns the buckets and the topics: whatever
    DNS says, nothing is sent to a bucket that is not listed, or that has another owner. `topics` are ARNs;
    they are needed where receipts are posted to a web address. `resolvers` are addresses with ports; without
    any, those of this machine are asked. `patience` is the time that a receipt may take, and `window` the
    time for which the platform recognises a file that is sent again.
    """

    customer: str
    zone: str
    account: str
    buckets: Mapping[str, tuple[str, ...]]
    journal: Path
    queues: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    topics: tuple[str, ...] = ()
    resolvers: tuple[tuple[str, int], ...] = ()
    patience: timedelta = timedelta(minutes=30)
    window: timedelta = timedelta(hours=24)

    def names(self, record: BucketRecord) -> bool:
        """Return whether these settings name the bucket of a DNS record, in its region."""
        return record.bucket in self.buckets.get(record.region, ())

    @classmethod
    def read(cls, path: Path) -> Settings:
        """Return the settings in a TOML file; SettingsError if it has a problem.

        A relative path of the journal is below the folder of the file.
        """
        try:
            document = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise SettingsError(
                f"{path}: cannot be read: {error.strerror}; name the file of settings with --settings, or"
                " with the variable MFT_SETTINGS"
            ) from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise SettingsError(f"{path}: is not TOML: {error}") from error
        return _Document(path, document).settings()


class _Document:
    """A parsed file of settings; every method raises SettingsError for a value that cannot be used."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self._path = path
        self._tables: dict[str, Any] = {"": {}}
        for name, value in document.items():
            if name in _ENTRIES:
                if not isinstance(value, dict):
                    self._refuse(name, value, "a table")
                self._tables[name] = value
            else:
                self._tables[""][name] = value
        for table, entries in _ENTRIES.items():
            for name in self._tables.get(table, {}):
                if name not in entries:
                    known = ", ".join(sorted(entries))
                    raise SettingsError(f"{path}: {_entry(table, name)}: is not known; use one of: {known}")

    def settings(self) -> Settings:
        account = self._text("account", _ACCOUNT, "the 12 digits of the platform's account, in quotes")
        buckets = dict(self._by_region("buckets", "", _BUCKET, "the name of a bucket"))
        if not buckets:
            self._refuse("buckets", {}, "the platform's bucket of each region, which its operators tell you")
        topics = self._texts("receipts", "topics", _TOPIC, f"the ARN of a topic in {PARTITION}")
        for topic in topics:
            if topic.split(":")[4] != account:
                self._refuse("receipts.topics", topic, f"a topic of the platform's account {account}")
        journal = self._get("", "journal", "mft.journal")
        if not isinstance(journal, str) or not journal:
            self._refuse("journal", journal, "the path of a file")
        return Settings(
            customer=self._text("customer", _CUSTOMER, "the id that the platform's operators gave you"),
            zone=self._text("zone", _ZONE, "the platform's DNS zone, such as mft.example.gov"),
            account=account,
            buckets=buckets,
            journal=self._path.absolute().parent / Path(journal).expanduser(),
            queues=dict(self._by_region("receipts", "queues", _QUEUE, "the URL of a queue")),
            topics=topics,
            resolvers=tuple(map(self._resolver, self._list("dns", "resolvers"))),
            patience=timedelta(minutes=self._count("patience_minutes", 30)),
            window=timedelta(hours=self._count("window_hours", 24)),
        )

    def _by_region(
        self, table: str, name: str, form: re.Pattern[str], what: str
    ) -> Iterator[tuple[str, tuple[str, ...]]]:
        found = self._get(table, name, {}) if name else self._tables.get(table, {})
        entry = _entry(table, name)
        if not isinstance(found, dict):
            self._refuse(entry, found, "a table with an entry for each region")
        for region, value in found.items():
            if region not in REGIONS:
                self._refuse(entry, region, f"one of the regions {' and '.join(REGIONS)}")
            values = value if isinstance(value, list) else [value]
            for each in values:
                if not isinstance(each, str) or not form.fullmatch(each):
                    self._refuse(f"{entry}.{region}", each, what)
            yield region, tuple(values)

    def _text(self, name: str, form: re.Pattern[str], what: str) -> str:
        value = self._get("", name, None)
        if not isinstance(value, str) or not form.fullmatch(value):
            self._refuse(name, value, what)
        return str(value)

    def _texts(self, table: str, name: str, form: re.Pattern[str], what: str) -> tuple[str, ...]:
        values = self._list(table, name)
        for each in values:
            if not isinstance(each, str) or not form.fullmatch(each):
                self._refuse(_entry(table, name), each, what)
        return tuple(values)

    def _list(self, table: str, name: str) -> list[Any]:
        values = self._get(table, name, [])
        if not isinstance(values, list):
            self._refuse(_entry(table, name), values, "a list")
        return list(values)

    def _count(self, name: str, default: int) -> int:
        value = self._get("receipts", name, default)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 100_000:
            self._refuse(f"receipts.{name}", value, "a whole number above 0")
        return int(value)

    def _resolver(self, value: object) -> tuple[str, int]:
        what = "the IP address of a name server, as 10.0.0.2, 10.0.0.2:53 or [fd00::2]:53"
        text = str(value)
        address, _, port = text.rpartition(":") if text.count(":") == 1 or "]:" in text else (text, "", "53")
        try:
            parsed, number = ipaddress.ip_address(address.strip("[]")), int(port)
        except ValueError:
            self._refuse("dns.resolvers", value, what)
        if not 0 < number < 65536:
            self._refuse("dns.resolvers", value, what)
        return str(parsed), number

    def _get(self, table: str, name: str, default: Any) -> Any:
        return self._tables.get(table, {}).get(name, default)

    def _refuse(self, entry: str, value: object, what: str) -> NoReturn:
        said = "is missing" if value in (None, {}) else f"is {value!r}"
        raise SettingsError(f"{self._path}: {entry}: {said}; write {what}")


def _entry(table: str, name: str) -> str:
    return ".".join(filter(None, (table, name)))
