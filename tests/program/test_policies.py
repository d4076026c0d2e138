"""Every policy that the program renders, read as IAM reads it: the emulated AWS applies none."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

from components.firewall import HEALTH_CHECKERS
from customers.model import Customer, S3Destination
from customers.names import canary_bucket
from customers.receipt_targets import SqsReceipt
from customers.registry import load
from local import program
from local.program import Graph, Resource
from runtime import canary_legs
from runtime.canary_legs import Leg
from runtime.contract import PARTITION, REGION_OF, SIDE_OF, SIDES, bucket_of, canary, sftp_home
from tests.iam import Document, Statement, documents, granting, matches, texts
from tests.program.conftest import STACKS, recorded

_REFERENCE = "https://docs.aws.amazon.com/service-authorization/latest/reference/list_"
_WORKFLOW_LOGS = "https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html"
_LAMBDA_NETWORK = "https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"

#: Actions that a statement may allow on `*`, and the page that explains why they cannot be restricted.
NO_RESOURCES = {
    "cloudwatch:PutMetricData": f"{_REFERENCE}amazoncloudwatch.html",  # a condition names the namespace
    "xray:PutTraceSegments": f"{_REFERENCE}awsx-ray.html",
    "xray:PutTelemetryRecords": f"{_REFERENCE}awsx-ray.html",
    "xray:GetSamplingRules": f"{_REFERENCE}awsx-ray.html",
    "xray:GetSamplingTargets": f"{_REFERENCE}awsx-ray.html",
    "logs:CreateLogDelivery": _WORKFLOW_LOGS,
    "logs:GetLogDelivery": _WORKFLOW_LOGS,
    "logs:UpdateLogDelivery": _WORKFLOW_LOGS,
    "logs:DeleteLogDelivery": _WORKFLOW_LOGS,
    "logs:ListLogDeliveries": _WORKFLOW_LOGS,
    "logs:PutResourcePolicy": _WORKFLOW_LOGS,
    "logs:DescribeResourcePolicies": _WORKFLOW_LOGS,
    "logs:DescribeLogGroups": _WORKFLOW_LOGS,
    # Lambda creates the interfaces, so their ids are unknown before; our code is denied these actions.
    "ec2:CreateNetworkInterface": _LAMBDA_NETWORK,
    "ec2:DescribeNetworkInterfaces": _LAMBDA_NETWORK,
    "ec2:DescribeSubnets": _LAMBDA_NETWORK,
    "ec2:DeleteNetworkInterface": _LAMBDA_NETWORK,
    "ec2:AssignPrivateIpAddresses": _LAMBDA_NETWORK,
    "ec2:UnassignPrivateIpAddresses": _LAMBDA_NETWORK,
}

#: Statements about all buckets, by resource and Sid. The roles' policies are narrower.
ANY_BUCKET = {("cell1-gateways-s3", "Files")}

#: What an account may do with its own key, if IAM allows it: AWS's default for administrators and users.
#: https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
OF_A_KEY = {
    *("kms:Create*", "kms:Describe*", "kms:Enable*", "kms:List*", "kms:Put*", "kms:Update*", "kms:Revoke*"),
    *("kms:Disable*", "kms:Get*", "kms:Delete*", "kms:ReEncrypt*", "kms:GenerateDataKey*"),
}

#: Services for which AWS does not document that they name an account when they assume a role. A resource of
#: another account cannot use a role of this account.
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/setting-repl-config-perm-overview.html
#: https://docs.aws.amazon.com/AmazonS3/latest/userguide/batch-ops-iam-role-policies.html
NAMES_NO_ACCOUNT = {"s3.amazonaws.com", "batchoperations.s3.amazonaws.com"}

#: Actions with which a role could extend its permissions; `sts:AssumeRole` is only in trust policies.
ESCALATION = ("iam:*", "sts:*", "lambda:Update*", "lambda:Create*", "kms:PutKeyPolicy", "s3:PutBucketPolicy")

_ELEMENTS = {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
_TLS = {"Bool": {"aws:SecureTransport": ("false",)}}
_NOT_IAM = {"redrivePolicy"}
_ARN = re.compile(r"arn:[^\s\"']*")
_TRUST = "assumeRolePolicy"


@dataclass(frozen=True)
class Place:
    """One stack under one configuration, with every policy of its graph."""

    name: str
    config: dict[str, str]
    graph: Graph

    @cached_property
    def documents(self) -> tuple[Document, ...]:
        return documents(self.graph)

    @property
    def account(self) -> str:
        return self.config["mft:accountId"]

    @property
    def namespace(self) -> str:
        return self.config["mft:namespace"]

    @property
    def region(self) -> str:
        return self.config["mft:region"]

    def statements(self) -> Iterator[tuple[Document, Statement]]:
        for document in self.documents:
            for statement in document.statements:
                yield document, statement

    def allowing(self) -> Iterator[tuple[Document, Statement]]:
        return ((document, each) for document, each in self.statements() if each.allows)

    def of_role(self, role: Resource) -> tuple[Statement, ...]:
        return tuple(
            statement
            for document, statement in self.statements()
            if document.resource.type == "aws:iam/rolePolicy:RolePolicy"
            and document.resource.inputs["role"] == role.outputs["name"]
        )


@cache
def _place(stack: str, peer: str, switch: str) -> Place:
    graph = recorded(stack, peer=peer, switch=switch)
    return Place(f"{stack}, peer {peer}, switch by {switch}", program.stack_config(stack), graph)


_PLACES = [
    (stack, peer, switch)
    for stack in STACKS
    for peer, switch in (("present", "alarm"), ("present", "endpoint"), ("absent", "alarm"))
]


@pytest.fixture(params=_PLACES, ids="-".join)
def place(request: pytest.FixtureRequest) -> Place:
    return _place(*request.param)


@pytest.fixture(scope="module")
def places(dependencies: None) -> list[Place]:
    return [_place(*each) for each in _PLACES]


def test_every_policy_is_read(place: Place) -> None:
    read = {(document.resource.urn, document.path) for document in place.documents}
    for each in place.graph.resources:
        for path, text in texts(each.inputs):
            input_ = path.rpartition(".")[2]
            if re.search(r"polic(y|ies)(Document|Json)?(\[\])?$", input_, re.IGNORECASE) and text[:1] in "{[":
                assert (each.urn, path) in read or input_ in _NOT_IAM, f"{each.urn} {path} is no policy"
        assert not each.inputs.get("managedPolicyArns"), f"{each.urn}: what it allows cannot be read here"
        assert "olicyAttachment" not in each.type, f"{each.urn}: what it allows cannot be read here"
    kinds = {document.resource.type.rpartition(":")[2] for document in place.documents}
    assert {"RolePolicy", "BucketPolicy", "Key", "QueuePolicy", "User", "VpcEndpoint", "Role"} <= kinds


def test_a_statement_says_all_that_it_means_and_nothing_else(place: Place) -> None:
    problems = []
    for document in place.documents:
        assert document.raw["Version"] == "2012-10-17", document
        sids = [each.sid for each in document.statements]
        assert len(set(sids)) == len(sids), f"{document}: {sids}"
        for each in document.statements:
            where = f"{document}: {each.sid}"
            wanted = {"Sid", "Effect", "Action"} | ({"Resource"} if document.path != _TRUST else set())
            if odd := each.elements - _ELEMENTS:
                problems.append(f"{where}: {odd}: what is not excluded is allowed")
            if missing := wanted - each.elements:
                problems.append(f"{where}: has no {missing}")
            if not re.fullmatch("[A-Za-z0-9]+", each.sid):
                problems.append(f"{where}: {each.sid!r} is no Sid")
            if not each.actions or (document.path != _TRUST and not each.resources):
                problems.append(f"{where}: an empty list")
        holes = [text for _, text in texts(document.raw) if re.search(r"\b(None|null)\b|Output\[", text)]
        if holes or "null" in re.sub(r'"[^"]*"', "", json.dumps(document.raw)):
            problems.append(f"{document}: an unresolved output {holes}")
    assert not problems, "\n".join(problems)


def test_no_statement_allows_actions_by_pattern(place: Place) -> None:
    problems = [
        f"{document}: {each.sid} allows {action}"
        for document, each in place.statements()
        for action in each.actions
        if "*" in action or not re.fullmatch(r"[a-z0-9]+:[A-Za-z]+", action)
        if not (document.resource.type == "aws:kms/key:Key" and action in OF_A_KEY)
        if not (each.effect == "Deny" and each.conditions == _TLS)
    ]
    assert not problems, "\n".join(problems)


def _is_any(resource: str) -> bool:
    return resource == "*" or resource.split(":", 5)[5:] == ["*"]


def test_resources_are_named_unless_the_action_knows_none(place: Place) -> None:
    problems = [
        f"{document}: {each.sid} allows {action} on {resource}"
        for document, each in place.allowing()
        for resource in each.resources
        if _is_any(resource)
        if document.resource.type != "aws:kms/key:Key"  # in a key's policy `*` is that key
        if (document.resource.name, each.sid) not in ANY_BUCKET
        for action in each.actions
        if action not in NO_RESOURCES
    ]
    assert not problems, "\n".join(problems)


def test_metrics_are_published_in_one_namespace_only(place: Place) -> None:
    for document, each in place.allowing():
        if "cloudwatch:PutMetricData" in each.actions:
            assert len(each.condition("cloudwatch:namespace")) == 1, f"{document}: {each.sid}"
            assert "*" not in each.condition("cloudwatch:namespace")[0]


def test_the_exceptions_are_still_needed(places: list[Place]) -> None:
    statements = [found for place in places for found in place.statements()]
    on_any = {a for _, each in statements for a in each.actions if each.allows and "*" in each.resources}
    assert set(NO_RESOURCES) <= on_any
    assert {
        (d.resource.name, each.sid) for d, each in statements if any(map(_is_any, each.resources))
    } >= ANY_BUCKET
    assert {
        a for d, each in statements for a in each.actions if d.resource.type == "aws:kms/key:Key"
    } >= OF_A_KEY
    trusted = {
        who
        for _, each in statements
        if "sts:AssumeRole" in each.actions
        for who in each.principals["Service"]
    }
    assert trusted >= NAMES_NO_ACCOUNT


def test_arns_are_of_this_partition_and_name_their_region_and_account(place: Place) -> None:
    problems = []
    partners = {each.kms_key for each in _buckets()}
    for document in place.documents:
        for path, text in texts(document.raw):
            for arn in _ARN.findall(text):
                _, partition, service, region, account, resource = (arn.split(":", 5) + [""] * 5)[:6]
                regions = {""} if service in ("s3", "iam") else set(REGION_OF.values())
                accounts = re.fullmatch(r"[0-9]{12}", account) if service != "s3" else account == ""
                if partition != PARTITION or region not in regions or not accounts or not resource:
                    problems.append(f"{document} {path}: {arn}")
                whose = re.search(r"Principal.AWS|aws:PrincipalArn|sns:Endpoint", path) or text in partners
                if not whose and account not in ("", place.account):
                    problems.append(f"{document} {path}: {arn} is another account's")
    assert not problems, "\n".join(problems)


def test_whoever_is_let_in_is_bounded(place: Place) -> None:
    problems = []
    for document, each in place.allowing():
        where = f"{document}: {each.sid}"
        accounts = {place.account} >= set(each.condition("aws:PrincipalAccount")) != set()
        accounts |= _senders_accounts() >= set(each.condition("kms:CallerAccount")) != set()
        networks = set(HEALTH_CHECKERS) >= set(each.condition("aws:SourceIp")) != set()
        for who in each.principals.get("AWS", ()):
            if who == "*" and not accounts and not networks:
                problems.append(f"{where}: lets anybody in")
            if who != "*" and ("*" in who or not who.startswith(f"arn:{PARTITION}:iam::")):
                problems.append(f"{where}: {who} is nobody in particular")
        for service in each.principals.get("Service", ()):
            is_excused = document.path == _TRUST and service in NAMES_NO_ACCOUNT
            if not is_excused and not _is_for_this_account(each, place):
                problems.append(f"{where}: {service} may come on behalf of any account")
        if odd := set(each.principals) - {"AWS", "Service"}:
            problems.append(f"{where}: {odd}")
    assert not problems, "\n".join(problems)


def _is_for_this_account(statement: Statement, place: Place) -> bool:
    """Return whether a service may act for this account only: by the account, or by ARNs that contain it."""
    arns = statement.condition("aws:SourceArn")
    arns += tuple(
        arn
        for service in ("logs", "sqs")
        for arn in statement.condition(f"kms:EncryptionContext:aws:{service}:arn")
    )
    by_arn = bool(arns) and all(arn.split(":")[4] == place.account for arn in arns)
    return statement.condition("aws:SourceAccount") == (place.account,) or by_arn


def test_a_role_trusts_one_service(place: Place) -> None:
    roles = place.graph.of("aws:iam/role:Role")
    trusts = [(d, each) for d, each in place.statements() if d.path == _TRUST]
    assert len(trusts) == len(roles)
    for document, each in trusts:
        assert each.actions == ("sts:AssumeRole",), document
        ((kind, who),) = each.principals.items()
        assert (kind, len(who)) == ("Service", 1), document
        assert set(each.conditions) == (set() if set(who) <= NAMES_NO_ACCOUNT else {"StringEquals"}), document


def test_nobody_can_pass_a_role_or_make_itself_mightier(place: Place) -> None:
    problems = [
        f"{document}: {each.sid} allows {action}"
        for document, each in place.allowing()
        for action in each.actions
        if document.path != _TRUST and document.resource.type != "aws:kms/key:Key"
        if any(matches(pattern, action) for pattern in ESCALATION)
    ]
    assert not problems, "\n".join(problems)


def test_secrets_are_read_below_the_namespace_only(place: Place) -> None:
    below = f"arn:{PARTITION}:secretsmanager:{place.region}:{place.account}:secret:{place.namespace}/"
    found = [
        (document, each.actions, resource)
        for document, each in place.allowing()
        for resource in each.resources
        if any(action.startswith("secretsmanager:") for action in each.actions)
    ]
    assert {document.resource.name for document, _, _ in found} == {
        "cell1-canary",
        "cell1-workflow-deliver",
        "cell1-interfaces-secretsmanager-fips",  # the way of these two
    }
    for document, actions, resource in found:
        assert actions == ("secretsmanager:GetSecretValue",), document
        assert resource.startswith(below), document


def test_the_canary_reads_its_own_secret_and_nobody_elses(place: Place) -> None:
    (role,) = [each for each in place.graph.of("aws:iam/role:Role") if each.name == "cell1-canary"]
    (secret,) = place.graph.of("aws:secretsmanager/secret:Secret")
    arn, read = f"arn:{PARTITION}:secretsmanager:{place.region}:{place.account}:secret:", "GetSecretValue"
    statements = place.of_role(role)
    for name, may in (
        (f"{secret.inputs['name']}-AbCdEf", True),
        (f"{secret.inputs['name']}-other-AbCdEf", False),
        (f"{place.namespace}/c7k2m/partner-a-AbCdEf", False),
    ):
        assert bool(granting(statements, f"secretsmanager:{read}", f"{arn}{name}")) is may, name


def test_the_canary_reaches_nobodys_files(place: Place) -> None:
    (role,) = [each for each in place.graph.of("aws:iam/role:Role") if each.name == "cell1-canary"]
    statements, here = place.of_role(role), SIDE_OF[place.region]
    own = f"arn:{PARTITION}:s3:::{canary_bucket(place.namespace, '1', here)}"
    reached = {
        "s3:PutObject": canary_legs.inbound("1", Leg.S3),
        "s3:GetObject": canary_legs.delivered(Leg.SFTP),
    }
    for action, folder in reached.items():
        assert granting(statements, action, f"{own}/{folder}file")
        assert not granting(statements, action, f"{own}/{canary_legs.inbound('1', Leg.SFTP)}file"), (
            "it logs in"
        )
        for customer in _customers():
            bucket = f"arn:{PARTITION}:s3:::{bucket_of(customer.id, place.namespace, here)}"
            assert not granting(statements, action, f"{bucket}/{folder}file")


def test_every_bucket_refuses_plain_http(place: Place) -> None:
    buckets = {each.inputs["bucket"] for each in place.graph.of("aws:s3/bucket:Bucket")}
    refusing = {
        document.resource.inputs["bucket"]
        for document, each in place.statements()
        if document.resource.type == "aws:s3/bucketPolicy:BucketPolicy"
        if each.effect == "Deny" and each.actions == ("s3:*",) and each.conditions == _TLS
        if each.principals == {"AWS": ("*",)}
        for arn in [f"arn:{PARTITION}:s3:::{document.resource.inputs['bucket']}"]
        if set(each.resources) == {arn, f"{arn}/*"}
    }
    assert buckets == refusing


def test_the_key_serves_this_account_and_services_that_work_for_it(place: Place) -> None:
    ((document),) = [each for each in place.documents if each.resource.type == "aws:kms/key:Key"]
    root = f"arn:{PARTITION}:iam::{place.account}:root"
    for each in document.statements:
        if each.sid == "Senders":
            assert sorted(each.actions) == ["kms:Decrypt", "kms:GenerateDataKey"]
        elif "AWS" in each.principals:
            assert each.principals == {"AWS": (root,)}, each.sid
            assert not [action for action in each.actions if action == "kms:*"]
        else:
            assert _is_for_this_account(each, place), each.sid
            assert not [a for a in each.actions if re.search("Grant|Put|Delete|Update|Create|Disable", a)], (
                each.sid
            )


def test_eventbridge_can_use_the_key_for_each_queue_of_a_rule_though_it_names_no_account(
    place: Place,
) -> None:
    ((key),) = [each for each in place.documents if each.resource.type == "aws:kms/key:Key"]
    its = [each for each in key.statements if "events.amazonaws.com" in each.principals.get("Service", ())]
    queues = {
        each.inputs["arn"]
        for each in place.graph.of("aws:cloudwatch/eventTarget:EventTarget")
        if ":sqs:" in each.inputs["arn"]
    }
    assert queues
    for queue in queues:
        for action in ("kms:Decrypt", "kms:GenerateDataKey"):
            assert granting(its, action, "*", {"kms:EncryptionContext:aws:sqs:arn": queue}), queue
    others = f"arn:{PARTITION}:sqs:{place.region}:999999999999:queue"
    assert not granting(its, "kms:GenerateDataKey", "*", {"kms:EncryptionContext:aws:sqs:arn": others})
    assert not granting(its, "kms:GenerateDataKey", "*")


def test_the_replication_role_can_use_the_peers_key_as_bucket_keys_need(place: Place) -> None:
    (role,) = [
        each for each in place.graph.of("aws:iam/role:Role") if each.name == "cell1-storage-replication"
    ]
    peer = next(region for region in REGION_OF.values() if region != place.region)
    key = f"arn:{PARTITION}:kms:{peer}:{place.account}:key/1"
    alias = {"kms:ResourceAliases": f"alias/{place.namespace}-{place.config['mft:cell']}"}
    for action in ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"):
        assert granting(place.of_role(role), action, key, alias), action
        assert not granting(place.of_role(role), action, key, {"kms:ResourceAliases": "alias/other"}), action


#: https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
_FLOW_LOGS = {"CreateLogGroup", "CreateLogStream", "PutLogEvents", "DescribeLogGroups", "DescribeLogStreams"}


def test_flow_logs_can_do_the_least_that_the_vpc_guide_lists(place: Place) -> None:
    (flows,) = place.graph.of("aws:ec2/flowLog:FlowLog")
    (role,) = [
        each
        for each in place.graph.of("aws:iam/role:Role")
        if each.outputs["arn"] == flows.inputs["iamRoleArn"]
    ]
    group = flows.inputs["logDestination"]
    for action in _FLOW_LOGS:
        resource = group if action == "CreateLogGroup" else f"{group}:log-stream:eni-1"
        assert granting(place.of_role(role), f"logs:{action}", resource), action
    other = f"arn:{PARTITION}:logs:{place.region}:{place.account}:log-group:other:log-stream:1"
    assert not granting(place.of_role(role), "logs:PutLogEvents", other)


def test_a_key_is_named_or_known_by_its_alias(place: Place) -> None:
    """The peer's key cannot be named, so the role may use any key there that has the cell's alias."""
    alias = f"alias/{place.namespace}-{place.config['mft:cell']}"
    for document, each in place.allowing():
        for resource in each.resources:
            if ":kms:" in resource and "*" in resource:
                assert each.conditions == {"ForAnyValue:StringEquals": {"kms:ResourceAliases": (alias,)}}, (
                    document
                )
                assert set(each.actions) == {"kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey"}, document


def test_senders_can_use_the_key_through_s3_for_customers_buckets_only(place: Place) -> None:
    """Which of these buckets a sender reaches is in the bucket's policy, which S3 asks first."""
    (key,) = [each for each in place.documents if each.resource.type == "aws:kms/key:Key"]
    here, region = SIDE_OF[place.region], place.region
    others = [each for each in key.statements if each.sid != "Use"]
    for account in _senders_accounts():
        for customer in _customers():
            bucket = f"arn:{PARTITION}:s3:::{bucket_of(customer.id, place.namespace, here)}"
            context = {
                "kms:CallerAccount": account,
                "kms:ViaService": f"s3.{region}.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": bucket,
            }
            for action in ("kms:GenerateDataKey", "kms:Decrypt"):  # multipart uploads need both
                assert granting(others, action, "*", context), action
            wrong = {
                "kms:CallerAccount": "999999999999",
                "kms:ViaService": f"sqs.{region}.amazonaws.com",
                "kms:EncryptionContext:aws:s3:arn": f"arn:{PARTITION}:s3:::other-mft-c7k2m-{here}",
            }
            for name, value in wrong.items():
                assert not granting(others, "kms:GenerateDataKey", "*", {**context, name: value}), name


def test_no_policy_names_a_principal_that_another_account_can_delete(place: Place) -> None:
    """A deleted role in a policy is refused at the next change: the whole stack would fail."""
    roots = re.compile(rf"arn:{PARTITION}:iam::[0-9]{{12}}:root|\*")
    for document, each in place.statements():
        for who in each.principals.get("AWS", ()):
            assert roots.fullmatch(who), f"{document}: {each.sid} names {who}"
    assert not place.graph.of("aws:kms/grant:Grant")


def _senders_accounts() -> frozenset[str]:
    return frozenset().union(*(each.sender_accounts for each in _customers() if each.takes_files))


def _buckets() -> list[S3Destination]:
    return [to for each in _customers() for to in each.destinations.values() if isinstance(to, S3Destination)]


def _customers() -> tuple[Customer, ...]:
    return load(program.ROOT / "customers").customers


def _logins() -> dict[str, tuple[str, str]]:
    """Return the customer and the folder of every SFTP login: those of the registry and the canary's two."""
    found = {user.name: (each.id, sftp_home(user.name)) for each in _customers() for user in each.sftp.users}
    own = canary("1")
    return found | {
        own: (own, canary_legs.inbound("1", Leg.SFTP)),
        canary_legs.partner("1"): (own, canary_legs.delivered(Leg.SFTP)),
    }


def test_a_user_reaches_its_own_folder_and_nothing_of_anybody_else(place: Place) -> None:
    (role,) = [each for each in place.graph.of("aws:iam/role:Role") if each.name.endswith("-endpoint-users")]
    logins = _logins()
    owners = {owner for owner, _ in logins.values()}
    keys = {f"{folder}file" for _, folder in logins.values()} | {
        f"{folder}file" for folder in ("inbound/sdk/", "inbound/", "", canary_legs.delivered(Leg.S3))
    }
    sessions = {
        d.resource.inputs["userName"]: d
        for d in place.documents
        if d.resource.type == "aws:transfer/user:User"
    }
    here = SIDE_OF[place.region]
    assert sessions.keys() == logins.keys()
    for name, document in sessions.items():
        own, home = logins[name]
        assert document.resource.inputs["role"] == role.outputs["arn"], name
        actions = {
            action for each in document.statements for action in each.actions if action.startswith("s3:")
        }

        def may(action: str, key: str | None, owner: str, side: str, session: Document = document) -> bool:
            """Return whether role and session policy both allow it: an object, or to list below a prefix."""
            bucket = f"arn:{PARTITION}:s3:::{bucket_of(owner, place.namespace, side)}"
            resource = bucket if action == "s3:ListBucket" else f"{bucket}/{key}"
            context = {"s3:prefix": key} if key is not None and action == "s3:ListBucket" else {}
            both = (place.of_role(role), session.statements)
            return all(granting(policy, action, resource, context) for policy in both)

        for action in actions:
            assert may(action, f"{home}file", own, here), f"{name} cannot {action}"
            assert not may(action, None, own, here) or action != "s3:ListBucket", f"{name} lists all"
            for owner in owners:
                for side in SIDES:
                    for key in (*keys, f"{home.rstrip('/')}-other/file"):
                        if (owner, side) == (own, here) and key.startswith(home):
                            continue
                        assert not may(action, key, owner, side), f"{name}: {action} on {owner} {side} {key}"


def test_a_senders_principals_reach_its_own_bucket_and_no_other(place: Place) -> None:
    here = SIDE_OF[place.region]
    policies = {
        d.resource.inputs["bucket"]: d.statements
        for d in place.documents
        if d.resource.type == "aws:s3/bucketPolicy:BucketPolicy"
    }
    for customer in _customers():
        own = bucket_of(customer.id, place.namespace, here)
        for principal in customer.sdk.principals:
            for bucket, statements in policies.items():
                its = [each for each in statements if each.allows or each.actions == ("s3:PutObject",)]
                root = f"arn:{PARTITION}:iam::{principal.split(':')[4]}:root"
                its = [each for each in its if {root, "*"} & set(each.principals["AWS"])]
                arn = f"arn:{PARTITION}:s3:::{bucket}/inbound/sdk/file"
                who = {"aws:PrincipalArn": principal}
                if bucket == own and customer.takes_files and not customer.is_refused:
                    assert granting(its, "s3:PutObject", arn, who), "an upload is refused"
                    assert not granting(its, "s3:GetObject", arn, who), "a sender reads nothing back"
                    other = {"aws:PrincipalArn": f"{principal}-other"}
                    assert not granting(its, "s3:PutObject", arn, other), "all of its account may send"
                    reach = {resource for each in its if each.allows for resource in each.resources}
                    assert reach == {f"arn:{PARTITION}:s3:::{own}/inbound/sdk/*"}
                else:
                    assert not granting(its, "s3:PutObject", arn, who), (
                        f"{bucket} lets in a principal of {customer.id}"
                    )


#: Headers of a put that the cell could not read or replicate afterwards, as S3 gives them to policies.
_UNREADABLE = {
    "another key": {"": "aws:kms", "-aws-kms-key-id": "OTHER"},
    "the AWS managed key": {"": "aws:kms"},
    "S3's own key": {"": "AES256"},
    "a key of the customer": {"-customer-algorithm": "AES256"},
    "archived": {"s3:x-amz-storage-class": "DEEP_ARCHIVE"},
    "archived, flexibly": {"s3:x-amz-storage-class": "GLACIER"},
}
_READABLE = {
    "no header": {},
    "the cell's key": {"": "aws:kms", "-aws-kms-key-id": "OURS"},
    "seldom read": {"s3:x-amz-storage-class": "STANDARD_IA"},
}


@pytest.mark.parametrize(
    ("headers", "taken"), [(h, False) for h in _UNREADABLE.values()] + [(h, True) for h in _READABLE.values()]
)
def test_what_the_cell_could_not_read_is_refused_at_the_put(
    place: Place, headers: dict[str, str], taken: bool
) -> None:
    (key,) = place.graph.of("aws:kms/key:Key")
    context = {
        name if name.startswith("s3:") else f"s3:x-amz-server-side-encryption{name}": {
            "OURS": key.outputs["arn"],
            "OTHER": key.outputs["arn"].replace(place.account, "999999999999"),
        }.get(value, value)
        for name, value in headers.items()
    }
    (customer,) = [each for each in _customers() if each.id == "h4t9q"]
    bucket = bucket_of(customer.id, place.namespace, SIDE_OF[place.region])
    (policy,) = [
        each
        for each in place.documents
        if each.resource.type == "aws:s3/bucketPolicy:BucketPolicy"
        and each.resource.inputs["bucket"] == bucket
    ]
    arn = f"arn:{PARTITION}:s3:::{bucket}/inbound/sdk/file"
    context["aws:PrincipalArn"] = customer.sdk.principals[0]
    assert bool(granting(policy.statements, "s3:PutObject", arn, context)) is taken


def test_a_delivery_touches_nothing_of_ours_but_what_it_delivers(place: Place) -> None:
    """It may write to any bucket whose owner allows it, but not to ours, except for the canary's copies."""
    (role,) = [each for each in place.graph.of("aws:iam/role:Role") if each.name == "cell1-workflow-deliver"]
    statements = place.of_role(role)
    written = ("s3:PutObject", "s3:AbortMultipartUpload")
    for each in _buckets():
        assert granting(statements, "s3:PutObject", f"arn:{PARTITION}:s3:::{each.bucket}/file"), each.bucket
        via = {"kms:ViaService": f"s3.{each.region}.amazonaws.com"}
        for action in ("kms:GenerateDataKey", "kms:Decrypt") if each.kms_key else ():
            assert granting(statements, action, each.kms_key, via), each.kms_key
            assert not granting(statements, action, each.kms_key), "it could use the key itself"
            assert not granting(statements, action, each.kms_key.replace("1234abcd", "f"), via)
    assert any(each.kms_key for each in _buckets())
    assert not granting(statements, "s3:PutObject", f"arn:{PARTITION}:s3:::nobodys/file")
    for each in place.graph.of("aws:s3/bucket:Bucket"):
        bucket = each.inputs["bucket"]
        arn = f"arn:{PARTITION}:s3:::{bucket}"
        for key in ("file", "inbound/sdk/file", "customers/c7k2m.json", "audit/file", "switch/east"):
            is_customers = not re.search(r"-(cell|canary)[0-9]", bucket)
            if is_customers and not key.startswith("inbound/"):
                continue  # no such bucket exists
            for action in written:
                is_copy = "-canary" in bucket and not key.startswith("inbound/")
                assert is_copy or not granting(statements, action, f"{arn}/{key}"), f"{action} {bucket}/{key}"
        if re.search(r"-(archive|audit)-", bucket):
            assert not granting(statements, "s3:GetObject", f"{arn}/file"), f"it can read {bucket}"


def test_partners_can_name_the_role_that_delivers(place: Place) -> None:
    """Its name depends on settings alone, and IAM has one set of names for both regions."""
    (role,) = [each for each in place.graph.of("aws:iam/role:Role") if each.name == "cell1-workflow-deliver"]
    assert role.inputs["name"] == f"{place.namespace}-cell1-deliver-{SIDE_OF[place.region]}"
    assert place.graph.exports["deliverRole"] == role.outputs["arn"]


def test_a_customer_can_subscribe_its_queue_of_another_account_and_nothing_else(place: Place) -> None:
    """SNS would wait for the queue's owner to confirm what we subscribe, and the stack would fail."""
    topics = {each.outputs["name"]: each.outputs["arn"] for each in place.graph.of("aws:sns/topic:Topic")}
    policies = {
        d.resource.inputs["arn"]: d.statements
        for d in place.documents
        if d.resource.type == "aws:sns/topicPolicy:TopicPolicy"
    }
    subscribed = {
        (each.inputs["topic"], each.inputs["endpoint"])
        for each in place.graph.of("aws:sns/topicSubscription:TopicSubscription")
    }
    owned = 0
    for customer in _customers():
        topic = topics[f"{place.namespace}-{customer.id}-receipts"]
        assert place.graph.exports["receipts"][customer.id] == topic
        for each in customer.receipts:
            if not isinstance(each, SqsReceipt) or each.arn.split(":")[4] == place.account:
                continue
            owned += 1
            assert (topic, each.arn) not in subscribed, "the owner of the queue subscribes it"
            root = f"arn:{PARTITION}:iam::{each.arn.split(':')[4]}:root"
            its = [s for s in policies[topic] if s.principals == {"AWS": (root,)}]
            asked = {"sns:Protocol": "sqs", "sns:Endpoint": each.arn}
            assert granting(its, "sns:Subscribe", topic, asked)
            assert not granting(its, "sns:Subscribe", topic, {**asked, "sns:Endpoint": f"{each.arn}-other"})
            assert not granting(its, "sns:Publish", topic, asked)
    assert owned, "the sample registry has such a queue"


def test_a_function_takes_messages_of_the_queue_that_feeds_it(place: Place) -> None:
    """A scheduled function's failed runs are also reported, under its role, to the dead letters."""
    reports = place.graph.one("aws:sqs/queue:Queue", "cell1-invocations-dead-letters").outputs["arn"]
    scheduled = {
        each.inputs["functionName"]
        for each in place.graph.of("aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
    }
    feeding = {
        each.inputs["functionName"]: each.inputs["eventSourceArn"]
        for each in place.graph.of("aws:lambda/eventSourceMapping:EventSourceMapping")
    }
    roles = {each.outputs["arn"]: each for each in place.graph.of("aws:iam/role:Role")}
    for function in place.graph.of("aws:lambda/function:Function"):
        its = place.of_role(roles[function.inputs["role"]])
        sent = {r for each in its for r in each.resources if "sqs:SendMessage" in each.actions}
        taken = {r for each in its for r in each.resources if "sqs:ReceiveMessage" in each.actions}
        assert sent == ({reports} if function.outputs["name"] in scheduled else set()), function.name
        assert taken == {feeding[arn] for arn in [function.outputs["arn"]] if arn in feeding}, function.name


def test_services_are_let_in_to_functions_for_one_source(place: Place) -> None:
    for each in place.graph.of("aws:lambda/permission:Permission"):
        source = each.inputs["sourceArn"]
        assert each.inputs["principal"].endswith(".amazonaws.com"), each.name
        assert source.split(":")[4] == place.account, each.name
        assert "*" not in source, each.name


def test_the_workflow_can_call_its_steps_and_nothing_else(place: Place) -> None:
    (machine,) = place.graph.of("aws:sfn/stateMachine:StateMachine")
    called = {text for _, text in texts(json.loads(machine.inputs["definition"])) if ":function:" in text}
    (role,) = [
        each
        for each in place.graph.of("aws:iam/role:Role")
        if each.outputs["arn"] == machine.inputs["roleArn"]
    ]
    allowed = {
        r for each in place.of_role(role) if "lambda:InvokeFunction" in each.actions for r in each.resources
    }
    # Each task names a version. The function itself is for executions that began before there were versions.
    functions = {version.removesuffix(":7") for version in called}
    assert {f"{arn}:7" for arn in functions} == called
    assert allowed == functions | {f"{arn}:*" for arn in functions}


def test_the_steps_of_the_workflow_and_no_other_functions_are_published(place: Place) -> None:
    published = {
        each.inputs["handler"].split(".")[2]
        for each in place.graph.of("aws:lambda/function:Function")
        if each.inputs.get("publish")
    }
    assert published == {"claim", "compare", "deliver", "archive", "complete"}


#: Actions that Lambda and S3 perform under a function's role, not through its subnets.
_OUTSIDE_THE_SUBNETS = {"logs", "xray", "ec2", "kms", "sqs"}


def test_the_ways_out_let_through_what_functions_in_the_subnets_may_do_and_no_more(place: Place) -> None:
    prefixes = {"monitoring": "cloudwatch", "secretsmanager-fips": "secretsmanager"}
    ways = {
        prefixes.get(service, service): document.statements
        for document in place.documents
        if document.resource.type == "aws:ec2/vpcEndpoint:VpcEndpoint"
        for service in [document.resource.inputs["serviceName"].rpartition(".")[2]]
    }
    roles = {each.outputs["arn"]: each for each in place.graph.of("aws:iam/role:Role")}
    used = set()
    problems = []
    for function in place.graph.of("aws:lambda/function:Function"):
        if "vpcConfig" not in function.inputs:
            continue
        for each in place.of_role(roles[function.inputs["role"]]):
            for action in each.actions if each.allows else ():
                service = action.partition(":")[0]
                if service in _OUTSIDE_THE_SUBNETS:
                    continue
                used.add(action)
                for resource in each.resources:
                    there = {"aws:PrincipalAccount": place.account}
                    there |= {
                        key: each.condition(key)[0]
                        for key in ("cloudwatch:namespace",)
                        if each.condition(key)
                    }
                    if not granting(ways.get(service, ()), action, resource, there):
                        problems.append(f"{function.name} may {action} on {resource}, and no way out lets it")
    let = {action for statements in ways.values() for each in statements for action in each.actions}
    problems += [
        f"a way out lets {action} through, which no function in the subnets may" for action in let - used
    ]
    assert not problems, "\n".join(problems)


def test_lambdas_own_errands_in_the_network_are_denied_to_the_code(place: Place) -> None:
    for function in place.graph.of("aws:lambda/function:Function"):
        (role,) = [
            r for r in place.graph.of("aws:iam/role:Role") if r.outputs["arn"] == function.inputs["role"]
        ]
        statements = place.of_role(role)
        errands = {a for each in statements if each.allows for a in each.actions if a.startswith("ec2:")}
        assert bool(errands) == ("vpcConfig" in function.inputs), function.name
        by_code = {"lambda:SourceFunctionArn": function.outputs["arn"]}
        for action in errands:
            assert granting(statements, action, "*"), f"{function.name}: Lambda cannot {action}"
            assert not granting(statements, action, "*", by_code), f"{function.name}: its code can {action}"


def test_a_function_says_who_it_is(place: Place) -> None:
    for each in place.graph.of("aws:lambda/function:Function"):
        name = each.inputs["environment"]["variables"]["AWS_SDK_UA_APP_ID"]
        assert name == f"{each.name}-{SIDE_OF[place.region]}", "CloudTrail would name another"
        assert len(name) <= 50, f"{name}: SDKs warn of longer ones"


def test_every_arn_follows_the_setting(tmp_path: Path) -> None:
    """Run the program, in its own process, as if it were for the commercial partition."""
    other = "aws"
    (tmp_path / "customers").mkdir()
    for sample in (program.ROOT / "customers").glob("*.yaml"):
        text = sample.read_text().replace(f"arn:{PARTITION}:", f"arn:{other}:")
        (tmp_path / "customers" / sample.name).write_text(text)
    code = f"""if True:
        import json, sys
        from pathlib import Path
        from runtime import contract
        contract.PARTITION = {other!r}
        from tests.program.conftest import STACKS, record, spelled
        for stack in STACKS:
            made = spelled(stack, {other!r})
            config = {{"mft:partition": {other!r}}}
            graph = record(stack, root=Path({str(tmp_path)!r}), config=config, make=made)
            print(json.dumps([[each.urn, dict(each.inputs)] for each in graph.resources], default=str))
    """
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=program.ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    problems = []
    count = 0
    for line in done.stdout.splitlines():
        for urn, inputs in json.loads(line):
            for path, text in texts(inputs):
                found = {arn.split(":")[1] for arn in _ARN.findall(text)}
                count += len(found)
                if found - {other} or PARTITION in text:
                    problems.append(f"{urn} {path}: {text[:200]}")
    assert not problems, "\n".join(problems)
    assert count > 200, "ARNs were looked for in the wrong place"
