"""The principals that a policy names, and whether they exist.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from local.aws.ministack.patching import original

#: What stands in a policy for a principal that was deleted after the policy was written.
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html#identifiers-unique-ids
_UNIQUE_ID = re.compile(r"A(ROA|IDA)[A-Z0-9]+")
_ROLE = re.compile(r"arn:[a-z-]+:iam::([0-9]{12}):role/(?:.*/)?([^/]+)")


def exists(principal: str) -> bool:
    """Return whether a principal exists; of ARNs, only those of roles are looked up."""
    if role := _ROLE.fullmatch(principal):
        from ministack.services import iam  # it is not loaded yet when this module is

        roles = original("principals", iam, "_roles")
        return roles.get_scoped(role[1], None, role[2]) is not None
    return not _UNIQUE_ID.fullmatch(principal)


def all_exist(policy: str | bytes) -> bool:
    """Return whether every principal of an account that a policy names exists."""
    found: list[str] = []
    for statement in json.loads(policy)["Statement"]:
        principal = statement.get("Principal", {})
        named = principal.get("AWS", []) if isinstance(principal, Mapping) else []
        found += [named] if isinstance(named, str) else named
    return all(exists(each) for each in found)
