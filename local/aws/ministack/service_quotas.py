"""Service Quotas, which MiniStack lacks: AWS's defaults, and what tests set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from customers.service_quotas import ADDRESSES, ADDRESSES_OF_CELL, ServiceQuota, readable
from local.aws.ministack.patching import Module, after, original

_NAME, _TARGET = "servicequotas", "ServiceQuotasV20190624"

#: As in an account whose quota has been raised as docs/deploy.md asks: one cell is more than the default.
_GRANTED = {ADDRESSES.code: ADDRESSES_OF_CELL}


def code_of(quota: ServiceQuota) -> str:
    """Return the code of a quota, or, where it is not known what AWS's is, one of the same form."""
    return quota.code or f"L-{hashlib.sha256(quota.name.encode()).hexdigest()[:8].upper()}"


class _Quotas:
    """The values of quotas, by code; what is set in a region has precedence."""

    def __init__(self) -> None:
        self._set: dict[tuple[str, str], float] = {}

    def set(self, region: str, code: str, value: float | None) -> None:
        """Let a quota have a value in a region, or, with None, its usual one."""
        if value is None:
            self._set.pop((region, code), None)
        else:
            self._set[region, code] = value

    def value(self, region: str, quota: ServiceQuota) -> float:
        """Return what a quota allows in a region."""
        code = code_of(quota)
        return self._set.get((region, code), _GRANTED.get(code, float(quota.default)))

    def answer(self, operation: str, region: str, given: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Return the status and the document that answer a request."""
        of_service = [each for each in readable(region) if each.service == given.get("ServiceCode")]
        listed = [self._fields(region, each, applied="Default" not in operation) for each in of_service]
        match operation:
            case "ListServiceQuotas" | "ListAWSDefaultServiceQuotas":
                return 200, {"Quotas": listed}
            case "GetServiceQuota" | "GetAWSDefaultServiceQuota":
                for quota in listed:
                    if quota["QuotaCode"] == given.get("QuotaCode"):
                        return 200, {"Quota": quota}
                message = "The request failed because the specified service does not exist."
                return 400, {"__type": "NoSuchResourceException", "Message": message}
        return 400, {"__type": "UnknownOperationException"}

    def _fields(self, region: str, quota: ServiceQuota, *, applied: bool) -> dict[str, Any]:
        value = self.value(region, quota) if applied else float(quota.default)
        return {
            "ServiceCode": quota.service,
            "QuotaCode": code_of(quota),
            "QuotaName": quota.name or quota.what,
            "Value": value,
            "Adjustable": True,
            "GlobalQuota": quota.is_of_account,
        }


ACCOUNT_QUOTAS = _Quotas()


@after("core.router")
def _routed(router: Module) -> None:
    original("Service Quotas", router, "SERVICE_PATTERNS")[_NAME] = {"target_prefixes": [_TARGET]}


@after("app")
def _served(app: Module) -> None:
    from ministack.core.responses import get_region

    async def handle(
        method: str, path: str, headers: Mapping[str, str], body: bytes, query: Mapping[str, Any]
    ) -> tuple[int, dict[str, str], bytes]:
        operation = headers.get("x-amz-target", "").rpartition(".")[2]
        status, document = ACCOUNT_QUOTAS.answer(operation, get_region(), json.loads(body or b"{}"))
        return status, {"Content-Type": "application/x-amz-json-1.1"}, json.dumps(document).encode()

    original("Service Quotas", app, "SERVICE_HANDLERS")[_NAME] = handle
