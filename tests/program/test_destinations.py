"""The role that delivers names partners' buckets and keys, and its policy stays within IAM's limit."""

from __future__ import annotations

import json
import re
from typing import Any

from components import destinations
from customers.model import S3Destination
from customers.quota import KEYS_OF_CELL
from local.program import Graph
from tests.program.test_uploads import settings

_KEY = "arn:aws-us-gov:kms:us-gov-west-1:210987654321:key/{:036}"
#: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
_LIMIT = 10_240


def made(count: int) -> list[dict[str, Any]]:
    """Return the statements for buckets with the longest names and as many keys as are allowed."""
    buckets = [
        S3Destination(kind="s3", bucket=f"{n:063}", kms_key=_KEY.format(min(n, KEYS_OF_CELL - 1)))
        for n in range(count)
    ]
    return destinations.statements(buckets, own="own", settings=settings())


def test_the_policy_of_the_role_fits_however_many_partners_there_are(west: Graph) -> None:
    policy = json.loads(west.one("aws:iam/rolePolicy:RolePolicy", "cell1-workflow-deliver").inputs["policy"])
    of_partners = {each["Sid"] for each in made(1)}
    assert of_partners == {"SeeDestinations", "WriteDestinations", "UsePartnersKeys"}
    rest = [each for each in policy["Statement"] if each["Sid"] not in of_partners]
    for count in range(1, 200):
        text = json.dumps({**policy, "Statement": [*rest, *made(count)]})
        assert len(re.sub(r"\s", "", text)) <= _LIMIT, count


def test_buckets_are_named_while_their_names_fit() -> None:
    few, many = ({each["Sid"]: each["Resource"] for each in made(count)} for count in (20, 200))
    assert f"arn:aws-us-gov:s3:::{0:063}/*" in few["WriteDestinations"]
    assert "arn:aws-us-gov:s3:::*" not in few["SeeDestinations"]
    assert many["SeeDestinations"] == ["arn:aws-us-gov:s3:::*"]
    assert len(many["UsePartnersKeys"]) == KEYS_OF_CELL, "keys are always named"
