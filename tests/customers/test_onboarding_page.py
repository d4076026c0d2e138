"""The client on the onboarding page follows the records that the program makes."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import dns.rdata
import dns.resolver
import pytest

from customers import dns as records
from customers.registry import load
from customers.route53 import quoted
from runtime.contract import REGION_OF, SIDES

ROOT = Path(__file__).resolve().parents[2]
ZONE, NAMESPACE = "mft.example.gov", "example-mft"


@pytest.mark.parametrize("side", SIDES)
def test_the_shown_client_sends_to_where_the_record_points(
    side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (customer,) = [each for each in load(ROOT / "customers").customers if each.id == "h4t9q"]
    zone = {half.name: half.value for half in records.halves(customer, side, NAMESPACE, ZONE)}

    def resolve(name: str, kind: str) -> list[Any]:
        return [dns.rdata.from_text("IN", kind, quoted(zone[name]))]

    sent = []

    def client(service: str, *, region_name: str, config: Any) -> Any:
        assert (service, config.use_fips_endpoint) == ("s3", True)
        return SimpleNamespace(upload_file=lambda *where: sent.append((region_name, *where)))

    monkeypatch.setattr(dns.resolver, "resolve", resolve)
    monkeypatch.setattr(boto3, "client", client)
    programs = re.findall(r"```python\n(.*?)```", (ROOT / "docs/onboarding.md").read_text(), re.DOTALL)
    (shown,) = (each for each in programs if "def send(" in each)
    page: dict[str, Any] = {}
    exec(shown, page)
    page["send"]("a.csv", "a.csv")
    assert sent == [(REGION_OF[side], "a.csv", f"{NAMESPACE}-h4t9q-{side}", "inbound/sdk/a.csv")]
    zone["_bucket.primary.h4t9q.mft.example.gov"] = "v=spf1"
    with pytest.raises(ValueError, match="not a record of this kind"):
        page["send"]("a.csv", "a.csv")
