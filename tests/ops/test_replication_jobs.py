"""`gaps --repair` of what a customer's bucket lacks: S3 replicates it again, with its identity."""

from __future__ import annotations

import json
from typing import Any

import pytest

from customers import names
from ops.environment import Environment
from ops.recovery import replication_jobs
from ops.recovery.causes import Cause
from ops.recovery.gaps import GapReport
from ops.recovery.reconcile import GapKind
from ops.recovery.regions import Regions
from ops.recovery.window import Window
from runtime import contract
from runtime.contract import EAST, REPAIRS
from tests.ops.test_gaps import (  # noqa: F401 - late and place are fixtures
    EASTERN,
    SDK,
    apply,
    archived,
    dying,
    found,
    late,
    lose_archived,
    place,
    planned,
)
from tests.ops.transfers import Estate
from tests.runtime.cells import NAMESPACE, CrashError
from tests.runtime.test_inventory import carry

LACKING = (SDK, "inbound missing", f"inbound in {EASTERN}")


@pytest.fixture
def lacking(place: Estate, late: None) -> Estate:  # noqa: F811
    """A customer with a file whose replica has not arrived in East, and will not by itself."""
    place.place.aws.replication_lag(s3=600)
    carry(place.west)
    place.place.aws.replication_lag()
    assert LACKING in found(place)
    return place


def replica(estate: Estate) -> dict[str, Any] | None:
    """Return what East says of the version that was submitted to West."""
    about = estate.west.received(SDK)
    s3 = estate.east.client("s3")
    try:
        return s3.head_object(Bucket=estate.east.bucket, Key=SDK, VersionId=about.version_id)
    except s3.exceptions.ClientError:
        return None


def lists(estate: Estate) -> list[str]:
    s3 = estate.west.client("s3")
    listed = s3.list_objects_v2(Bucket=estate.west.config_bucket, Prefix=REPAIRS)
    return [each["Key"] for each in listed.get("Contents", ())]


def recorded(estate: Estate) -> dict[str, Any]:
    """Return what the audit bucket of West says of this verb, by the last part of its keys."""
    s3, where = estate.west.client("s3"), estate.west.audit_bucket
    listed = s3.list_objects_v2(Bucket=where, Prefix="actions/gaps/").get("Contents", ())
    return {
        each["Key"].rpartition("/")[2]: json.loads(
            s3.get_object(Bucket=where, Key=each["Key"])["Body"].read()
        )
        for each in listed
    }


def causes(estate: Estate) -> dict[tuple[GapKind, Cause], int]:
    regions = Regions.find(Environment.read(estate.place.root))
    report = GapReport(regions, (), Window.of(), with_causes=True)
    lines = list(report.lines())
    assert [line["cause"] for line in lines] == [cause.value for _, cause in sorted(report.counts.causes)]
    return dict(report.counts.causes)


def test_what_s3_has_yet_to_replicate_is_told_from_what_it_does_not_replicate_any_more(lacking):
    about = lacking.west.received(SDK)
    assert causes(lacking) == {
        (GapKind.ARCHIVE_MISSING, Cause.REPLICATION): 1,
        (GapKind.INBOUND_MISSING, Cause.REPLICATION): 1,
    }
    digest, _ = planned(lacking)
    assert apply(lacking, digest)[0] == 0
    where = {"Bucket": lacking.east.bucket, "Key": SDK, "VersionId": about.version_id}
    lacking.east.client("s3").delete_object(**where)
    lose_archived(lacking.east, about)
    assert causes(lacking) == {
        (GapKind.ARCHIVE_MISSING, Cause.NO_REPLICATION): 1,
        (GapKind.INBOUND_MISSING, Cause.NO_REPLICATION): 1,
    }


def test_what_is_missing_is_replicated_with_its_identity(lacking):
    about = lacking.west.received(SDK)
    before = len(lacking.east.executions())
    digest, remedies = planned(lacking)
    assert [each["deed"] for each in remedies] == ["copy", "replicate"]
    assert apply(lacking, digest)[0] == 0
    assert found(lacking) == []
    head = replica(lacking)
    assert (head["ReplicationStatus"], head["ContentLength"]) == ("REPLICA", 3)
    file = contract.file_id(lacking.customer, SDK)
    assert contract.transfer_id(file, about.version_id, head["LastModified"]) == about.id
    assert archived(lacking.east, about)
    assert len(lacking.east.executions()) == before  # its event is that of a replica
    documents = recorded(lacking)
    assert documents["intent.json"]["why"] == "East was down"
    assert documents["outcome.json"]["status"] == "Complete"
    s3 = lacking.west.client("s3")
    (key,) = lists(lacking)
    # S3 reads no list that is under a key of KMS.
    assert s3.head_object(Bucket=lacking.west.config_bucket, Key=key)["ServerSideEncryption"] == "AES256"


@pytest.mark.parametrize(
    ("service", "call", "after"),
    [
        ("s3control", "create_job", True),
        *(
            pytest.param(service, call, after, marks=pytest.mark.exhaustive)
            for service, call, after in (
                ("s3", "put_object", False),
                ("s3", "put_object", True),
                ("s3control", "create_job", False),
                ("s3control", "describe_job", False),
                ("s3control", "describe_job", True),
            )
        ),
    ],
)
def test_a_repair_that_dies_is_finished_by_the_same_command(lacking, monkeypatch, service, call, after):
    """It dies before and after each of its effects; S3 makes one job of one plan."""
    digest, _ = planned(lacking)
    with dying(monkeypatch, service, call, after=after), pytest.raises(CrashError):
        apply(lacking, digest)
    again, remedies = planned(lacking)
    is_done = "replicate" not in [each["deed"] for each in remedies]
    assert is_done == (call == "describe_job" or (call == "create_job" and after))
    assert again == digest or is_done
    assert apply(lacking, again)[0] == 0
    assert found(lacking) == []
    versions = lacking.east.client("s3").list_object_versions(Bucket=lacking.east.bucket)["Versions"]
    assert len(versions) == 1


def test_a_job_that_failed_is_named_and_the_same_command_makes_another(lacking, monkeypatch):
    """S3 answers the token of a job that failed with that job: the same plan needs another token."""
    real = replication_jobs.ReplicationJobs._make

    def without_list(self: Any, where: str, key: str, etag: str, **about: Any) -> str:
        self.s3.delete_object(Bucket=where, Key=key)  # S3 does not find the list that it was told of
        return real(self, where, key, etag, **about)

    with monkeypatch.context() as patch:
        patch.setattr(replication_jobs.ReplicationJobs, "_make", without_list)
        patch.setattr(replication_jobs, "_TRIES", 1)
        for _ in range(2):  # the second plan has nothing but the job
            digest, _ = planned(lacking)
            code, became = apply(lacking, digest)
            assert (code, became[0][:21]) == (1, "not replicated by job")
            assert became[0].endswith("(Failed)")
            assert replica(lacking) is None
    assert planned(lacking)[0] == digest
    assert apply(lacking, digest)[0] == 0
    assert found(lacking) == []


def test_without_its_role_nothing_is_replicated(lacking):
    digest, _ = planned(lacking)
    role = names.replication_job_role(NAMESPACE, lacking.west.cell, "west")
    lacking.west.client("iam").delete_role(RoleName=role)
    done = lacking.ops("gaps", "--repair", "--reason", "x", "--apply", "--digest", digest)
    assert done.code == 1
    assert "The role does not exist." in done.err
    assert replica(lacking) is None


def test_a_version_that_only_the_other_region_has_left_is_replicated_back(place, late):  # noqa: F811
    about = carry(place.west)
    where = {"Bucket": place.west.bucket, "Key": SDK, "VersionId": about.version_id}
    place.west.client("s3").delete_object(**where)
    digest, remedies = planned(place)
    assert [(each["deed"], each["about"]["source_side"]) for each in remedies] == [("replicate", EAST)]
    assert apply(place, digest) == (0, ["replicated"])
    assert found(place) == []
