"""`python -m ops replay plan|apply` and `release`: their output for each file, and that each acts once."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ops.recovery.regions import Regions
from ops.recovery.replay import Choice, Replay, ReplayVerdict
from ops.recovery.replay_plan import ReplayPlan, StartPace
from runtime.contract import EAST, REGION_OF, WEST, Kind, switch_parameter
from runtime.facts import submitted
from runtime.transfer import Transfer
from tests.ops.transfers import Estate, Side, deliver, replicate
from tests.runtime.cells import NAMESPACE, CrashError, eventually, owner

SDK, OTHER = "inbound/sdk/a.csv", "inbound/sdk/b.csv"
WESTERN, EASTERN = REGION_OF[WEST], REGION_OF[EAST]
WHY = ("--reason", "partner was down")


@pytest.fixture
def place(estate: Estate) -> Iterator[Estate]:
    replicate(estate)
    yield estate
    estate.place.aws.replication_lag()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "plan.json"


def end(side: Side, key: str = SDK, kind: Kind = Kind.FAILED) -> Transfer:
    """Receive a file, and record how its delivery ended."""
    about = side.receive(b"abc", key)
    detail = {"reason": "nobody can tell", "error": "x"}
    side.tracker.record(about.fact(kind, side=side.side, writer="w", destination="partner", **detail))
    return about


def run_json(place: Estate, *words: str) -> tuple[int, list[dict[str, Any]]]:
    done = place.ops(*words, "--json")
    assert not done.err
    return done.code, [json.loads(line) for line in done.out.splitlines()]


def planned(place: Estate, *words: str) -> tuple[str, dict[str, str]]:
    """Plan; return the digest, and the choice for each transfer."""
    code, documents = run_json(place, "replay", "plan", place.customer, *words)
    assert code == 0
    verdicts = {d["verdict"]["transfer"]: d["verdict"]["choice"] for d in documents if "verdict" in d}
    return documents[-1]["plan"]["digest"], verdicts


def apply(place: Estate, file: Path, digest: str, *words: str) -> tuple[int, list[dict[str, Any]]]:
    return run_json(place, "replay", "apply", str(file), "--digest", digest, *WHY, "--rate", "1000/s", *words)


def replays(side: Side) -> list[str]:
    """Return the transfers that replays have started, sorted."""
    runs = side.executions().items()
    return sorted(Transfer.parse(given).id for name, given in runs if "-release-" in name)


def declare_out(place: Estate, side: Side) -> None:
    peer = place.east if side is place.west else place.west
    name = switch_parameter(NAMESPACE, side.cell, side.side)
    peer.client("ssm").put_parameter(Name=name, Value="lost", Type="String", Overwrite=True)


# --- Plans -------------------------------------------------------------------------------------------


def test_a_verdict_per_file_and_a_plan_in_a_file(place, file):
    failed, held, done = (
        end(place.west),
        end(place.east, OTHER, Kind.HELD),
        deliver(place.west, key="inbound/sdk/c"),
    )
    digest, verdicts = planned(place, "--out", str(file))
    assert verdicts == {failed.id: "deliver", held.id: "ask", done.id: "skip"}
    assert [each["transfer"] for each in json.loads(file.read_text())["steps"]] == [failed.id]
    text = place.ops("replay", "plan", place.customer, "--out", str(file))
    lines = text.out.splitlines()
    again = ReplayPlan.read(file).digest
    assert again != digest, "no two plans are the same: what one has done, the other may do again"
    assert (text.code, len(lines)) == (0, 5)
    assert f"deliver: {SDK} {failed.id}: failed: partner" in lines
    assert f"ask: {OTHER} {held.id}: held by partner; decide with mft-ops release" in lines
    assert lines[3:] == [
        f"plan {again}: 1 to skip, 1 to deliver, 1 to ask; nothing was done; to do it:",
        f"  mft-ops replay apply {file} --reason WHY --digest {again}",
    ]
    assert replays(place.west) == replays(place.east) == []


def test_only_the_requested_transfers_are_planned(place):
    failed, held = end(place.west), end(place.west, OTHER, Kind.HELD)
    done = deliver(place.west, key="inbound/sdk/deep/c.csv")
    started = place.east.receive(b"abc", "inbound/sdk/d.csv")
    assert eventually(lambda: place.east.its_executions.find(owner(started)).ended)
    assert set(planned(place, "--state", "failed")[1]) == {failed.id}
    assert set(planned(place, "--state", "held")[1]) == {held.id}
    assert set(planned(place, "--state", "delivered")[1]) == {done.id}
    assert set(planned(place, "--state", "undelivered")[1]) == {failed.id, held.id, started.id}
    assert set(planned(place, "--key", "sdk/deep/**")[1]) == {done.id}
    assert set(planned(place, "--key", "sdk/*.csv", "--state", "failed")[1]) == {failed.id}
    assert set(planned(place, "--transfer", held.id, "--transfer", done.id)[1]) == {held.id, done.id}
    later = submitted(started.id) + timedelta(seconds=1)
    assert planned(place, "--since", f"{later:%Y-%m-%dT%H:%M:%SZ}")[1] == {}


def test_a_failure_at_one_destination_is_found_though_another_holds_the_file(place):
    side = place.west
    both = {name: side.to_bucket(name) for name in ("partner", "other")}
    side.register(routes=[{"match": "sdk/**", "to": list(both), "on_unknown": "hold"}], destinations=both)
    mixed, held = end(side, kind=Kind.HELD), end(side, OTHER, Kind.HELD)
    detail = {"reason": "refused", "error": "x"}
    for about, kind in ((mixed, Kind.FAILED), (held, Kind.HELD)):
        side.tracker.record(about.fact(kind, side=side.side, writer="w", destination="other", **detail))
    assert planned(place, "--state", "failed")[1] == {mixed.id: "deliver"}
    assert planned(place, "--state", "held")[1] == {mixed.id: "deliver", held.id: "ask"}


def test_a_window_without_transfers_says_so(place):
    words = ("--since", "2026-01-01", "--until", "2026-01-02")
    done = place.ops("replay", "plan", place.customer, *words)
    expected = "no such transfers from 2026-01-01T00:00:00Z to 2026-01-02T00:00:00Z\n"
    assert (done.code, done.out) == (0, expected)


def test_an_unknown_customer_is_named_with_the_nearest(place):
    done = place.ops("replay", "plan", f"{place.customer}x")
    expected = f"'{place.customer}x' is not a customer of this cell; did you mean {place.customer}?"
    assert (done.code, done.line) == (1, expected)


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "c", "--key", "sdk/[a]"),
        ("plan", "c", "--state", "lost"),
        ("plan", "c", "--transfer", "yesterday"),
        ("plan",),
        ("apply", "plan.json"),
        ("apply", "plan.json", "--digest", "x"),
        ("apply", "plan.json", *WHY),
        ("apply", "plan.json", "--digest", "x", "--reason", "  "),
        ("apply", "plan.json", "--digest", "x", *WHY, "--rate", "0"),
        ("apply", "plan.json", "--digest", "x", *WHY, "--rate", "often"),
    ],
)
def test_a_usage_error_exits_2(place, words):
    assert place.ops("replay", *words).code == 2


def test_force_replays_delivered_and_held_files(place, file):
    held, done = end(place.west, OTHER, Kind.HELD), deliver(place.west)
    digest, verdicts = planned(place, "--force", "--out", str(file))
    assert verdicts == {held.id: "deliver", done.id: "deliver"}
    assert digest != planned(place, "--out", str(file.with_suffix(".2")))[0]
    assert apply(place, file, digest)[0] == 0
    assert replays(place.west) == sorted([held.id, done.id])
    fact = place.west.fact(Kind.REPLAYED, done)
    assert fact.detail["over"] == [place.west.fact(Kind.DELIVERED, done).sort_key]
    assert fact.detail["why"] == f"partner was down (plan {digest}, forced)"
    assert fact.detail["who"] == f"arn:aws-us-gov:iam::{place.place.aws.account}:root"


# --- Doing it ----------------------------------------------------------------------------------------


def test_the_printed_command_carries_out_the_plan(place, file):
    failed, other = end(place.west), end(place.east, OTHER)
    plan = place.ops("replay", "plan", place.customer, "--out", str(file))
    words = shlex.split(plan.out.splitlines()[-1])
    done = place.ops(*words[1:])
    assert (done.code, done.out.splitlines()[-1]) == (0, "2 of 2 started")
    assert (replays(place.west), replays(place.east)) == ([failed.id], [other.id])
    fact = place.west.fact(Kind.REPLAYED, failed)
    assert f"started: {SDK}: {fact.writer}" in done.out.splitlines()


@pytest.mark.parametrize("lost", [WEST, EAST])
def test_the_survivor_replays_what_a_lost_region_had_received(place, file, lost):
    owner_, survivor = (place.west, place.east) if lost == WEST else (place.east, place.west)
    about = end(owner_)
    place.lose(lost)
    _, verdicts = planned(place)
    assert verdicts == {about.id: "ask"}, "silent, but not declared lost"
    declare_out(place, owner_)
    digest, verdicts = planned(place, "--out", str(file))
    assert verdicts == {about.id: "deliver"}
    code, documents = apply(place, file, digest)
    assert (code, documents[-1]) == (0, {"counts": {"steps": 1, "not_done": 0}})
    assert replays(survivor) == [about.id]
    (given,) = (Transfer.parse(i) for n, i in survivor.executions().items() if "-release-" in n)
    assert (given.bucket, given.taken_over) == (survivor.bucket, True)


def test_a_plan_file_that_was_not_reviewed_is_refused(place, file):
    end(place.west)
    digest, _ = planned(place, "--out", str(file))
    tail = "nothing was done: plan again, and review the new plan"
    unknown = "it was not shown on this machine, so what has changed is not known"
    assert apply(place, file, "0" * 12) == (
        1,
        [{"refused": f"plan {'0' * 12} no longer holds: {unknown}; {tail}"}],
    )
    file.write_text(file.read_text().replace('"force": false', '"force": true'))
    change = f"{place.customer}: force is True, was False"
    assert apply(place, file, digest) == (
        1,
        [{"refused": f"plan {digest} no longer holds: {change}; {tail}"}],
    )
    assert replays(place.west) == []


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", '{"schema": 2}', '{"schema": 1}', '{"schema": 2, "customer": "c", "steps": [{}]}'],
)
def test_a_file_without_a_plan_is_refused(place, file, content):
    file.write_text(content)
    code, documents = apply(place, file, "x")
    assert (code, str(file) in documents[-1]["refused"]) == (1, True)


def test_a_file_that_cannot_be_read_or_written_is_refused(place, tmp_path):
    code, documents = apply(place, tmp_path / "none.json", "x")
    assert (code, documents[-1]["refused"].endswith("cannot be read: No such file or directory")) == (1, True)
    done = place.ops("replay", "plan", place.customer, "--out", str(tmp_path))
    assert (done.code, "cannot be written: Is a directory" in done.err) == (1, True)


def test_changes_since_the_plan_are_named_and_nothing_is_done(place, file):
    first, second, third = end(place.west), end(place.east, OTHER), end(place.west, "inbound/sdk/c.csv")
    digest, _ = planned(place, "--out", str(file))
    detail = {"sha256": "x", "size": 3}
    place.west.tracker.record(
        first.fact(Kind.DELIVERED, side=WEST, writer="z", destination="partner", **detail)
    )
    place.east.tracker.record(
        second.fact(Kind.HELD, side=EAST, writer="z", destination="partner", reason="x")
    )
    code, documents = apply(place, file, digest)
    assert code == 1
    head, tail = f"plan {digest} no longer holds: ", "; nothing was done: plan again, and review the new plan"
    refused = documents[-1]["refused"]
    assert (refused.startswith(head), refused.endswith(tail)) == (True, True)
    one = f"{SDK} ({first.id}): was deliver (failed: partner), is skip (delivered to partner)"
    other = (
        f"{OTHER} ({second.id}): was deliver (failed: partner),"
        " is ask (held by partner; decide with mft-ops release)"
    )
    assert refused[len(head) : -len(tail)] in (f"{one}; {other}", f"{other}; {one}")
    assert replays(place.west) == replays(place.east) == []
    assert Kind.REPLAYED not in place.west.kinds(third)


def test_a_region_that_went_out_since_the_plan_changes_it(place, file):
    end(place.west)
    digest, _ = planned(place, "--out", str(file))
    declare_out(place, place.west)
    code, documents = apply(place, file, digest)
    assert (code, f"{WESTERN} is out, or does not answer" in documents[-1]["refused"]) == (1, True)


def test_a_transfer_that_changes_while_others_are_started_is_left_out_and_named(place, file, monkeypatch):
    first, second = end(place.west), end(place.west, OTHER)
    digest, _ = planned(place, "--out", str(file))
    real = Replay.carry_out

    def carry_out(self: Replay, verdict: ReplayVerdict, **how: Any) -> str:
        if verdict.transfer == second.id:
            place.west.tracker.record(second.fact(Kind.REJECTED, side=WEST, writer="z", reason="x"))
        return real(self, verdict, **how)

    monkeypatch.setattr(Replay, "carry_out", carry_out)
    code, documents = apply(place, file, digest)
    assert (code, documents[-1]) == (1, {"counts": {"steps": 2, "not_done": 1}})
    assert replays(place.west) == [first.id]
    (left,) = (document["not_done"] for document in documents if "not_done" in document)
    assert (left["key"], "it was rejected" in left["became"]) == (OTHER, True)


@pytest.mark.parametrize("died_at", range(1, 7))
def test_an_interrupted_replay_is_continued_without_duplicates(place, file, monkeypatch, died_at):
    """It dies before each call that changes something, in turn: a fact and an execution per file."""
    transfers = sorted(end(place.west, f"inbound/sdk/{number}.csv").id for number in range(3))
    digest, _ = planned(place, "--out", str(file))
    effects, real = itertools.count(1), Regions.client

    class Mortal:
        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Any:
            if name in ("put_item", "start_execution") and next(effects) == died_at:
                raise CrashError(name)
            return getattr(self._client, name)

    with monkeypatch.context() as patch:
        patch.setattr(Regions, "client", lambda *args: Mortal(real(*args)))
        with pytest.raises(CrashError):
            apply(place, file, digest)
    begun = len(replays(place.west))
    assert begun == (died_at - 1) // 2
    for _ in range(2):
        code, documents = apply(place, file, digest)
        assert (code, documents[-1]) == (0, {"counts": {"steps": 3, "not_done": 0}})
        assert replays(place.west) == transfers
    again = ("replay", "apply", str(file), "--digest", digest, "--rate", "1000/s", "--reason", "once more")
    assert place.ops(*again).code == 0, "another reason makes no other plan of it"
    assert replays(place.west) == transfers
    facts = [f for n in range(3) for f in place.west.facts(f"inbound/sdk/{n}.csv") if f.kind is Kind.REPLAYED]
    assert sorted(fact.transfer for fact in facts) == transfers


def test_ctrl_c_reports_the_progress(place, file, monkeypatch):
    end(place.west)
    end(place.west, OTHER)
    digest, _ = planned(place, "--out", str(file))
    real, started = Replay.carry_out, []

    def carry_out(self: Replay, verdict: ReplayVerdict, **how: Any) -> str:
        if started:
            raise KeyboardInterrupt
        started.append(verdict.transfer)
        return real(self, verdict, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Replay, "carry_out", carry_out)
        code, documents = apply(place, file, digest)
    assert (code, documents[-1]) == (
        1,
        {"refused": "interrupted after 1 of 2: run the same command again for the others"},
    )
    assert apply(place, file, digest)[0] == 0
    assert len(replays(place.west)) == 2


def test_no_more_than_the_rate_are_started():
    """Time is simulated: each start takes some, and sleeping takes the requested time."""
    now, slept = [0.0], []

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))
        now[0] += seconds

    steps = [ReplayVerdict(transfer=str(n), key="k", choice=Choice.DELIVER, why="") for n in range(5)]
    pace = StartPace(rate=2, sleep=sleep, clock=lambda: now[0])
    begun = []
    for step, takes in zip(pace.of(steps), (0.1, 0.1, 5.0, 0.0, 0.0), strict=True):
        begun.append((step.transfer, round(now[0], 6)))
        now[0] += takes
    assert begun == [("0", 0.0), ("1", 0.5), ("2", 1.0), ("3", 6.0), ("4", 6.5)]
    assert slept == [0.4, 0.4, 0.5]


# --- Release -----------------------------------------------------------------------------------------


def released(place: Estate, transfer: Transfer, *words: str) -> tuple[int, dict[str, Any]]:
    reason = ("--reason", "partner said so") if "--apply" in words else ()
    return place.json("release", transfer.id, *words, *reason)


@pytest.mark.parametrize("word", ["delivered", "resend"])
def test_a_held_file_is_released(place, word):
    about = end(place.west, kind=Kind.HELD)
    code, plan = released(place, about, f"--{word}")
    assert (code, plan["decision"], plan["held"]) == (0, word, {"partner": "nobody can tell"})
    assert (plan["applied"], plan["region"], replays(place.west)) == (False, WESTERN, [])
    code, done = released(place, about, f"--{word}", "--apply", "--digest", plan["digest"])
    assert (code, list(done["started"])) == (0, ["partner"])
    fact = place.west.fact(Kind.REPLAYED, about)
    assert (fact.detail["decision"], fact.detail["why"]) == (word, "partner said so")
    assert replays(place.west) == [about.id]


def test_a_release_names_what_waits_for_it_and_what_the_destination_has_received_since(place):
    about = end(place.west, kind=Kind.HELD)
    waiting, longer, sent = (place.west.receive(content, about.key) for content in (b"abc", b"abcd", b"xyz"))
    detail = {"sha256": "0", "size": 3, "path": "p", "sent": True}
    delivered = sent.fact(Kind.DELIVERED, side=WEST, writer="w", destination="partner", **detail)
    place.west.tracker.record(delivered)
    code, plan = released(place, about, "--resend")
    assert (code, plan["waiting"], plan["since"]) == (0, [waiting.id], [["partner", sent.id]])
    assert longer.id not in json.dumps(plan)
    lines = place.ops("release", about.id, "--resend").out.splitlines()
    assert f"  partner has received {sent.id} since: it has the same size" in lines
    assert f"  {waiting.id} waits for this: it may be the same file" in lines


def test_the_printed_command_releases_the_file(place):
    about = end(place.west, kind=Kind.HELD)
    words = ("release", about.id, "--resend", "--customer", place.customer, "--reason", "they lost it")
    plan = place.ops(*words)
    assert plan.out.splitlines()[1] == "  partner holds it: nobody can tell"
    command = shlex.split(plan.out.splitlines()[-1])
    done = place.ops(*command[1:])
    fact = place.west.fact(Kind.REPLAYED, about)
    assert done.out.splitlines()[-1] == f"released at partner: {fact.writer}"


def test_a_transfer_that_is_not_held_cannot_be_released(place):
    failed, done = end(place.west), deliver(place.west, key=OTHER)
    for about in (failed, done):
        code, document = released(place, about, "--resend")
        assert code == 1
        assert document["refused"] == (
            f"{about.id} is held by no destination: there is nothing else to release"
        )
    held = end(place.west, "inbound/sdk/c.csv", Kind.HELD)
    code, document = released(place, held, "--resend", "--destination", "other")
    assert document["refused"] == f"{held.id} is held by partner: there is nothing else to release"


def test_a_release_needs_a_decision_and_a_reason_and_apply_needs_a_digest(place):
    about = end(place.west, kind=Kind.HELD)
    digest = released(place, about, "--resend")[1]["digest"]
    reason = ("--reason", "x")
    for words in (reason, ("--resend", "--apply", *reason), ("--resend", "--apply", "--digest", digest)):
        assert place.ops("release", about.id, *words).code == 2
    code, document = released(place, about, "--delivered", "--apply", "--digest", digest)
    assert (code, document["refused"]) == (
        1,
        f"plan {digest} no longer holds: {about.id}: decision is 'delivered', was 'resend';"
        " nothing was done: plan again, and review the new plan",
    )
    assert replays(place.west) == []


def test_a_key_or_an_unknown_transfer_cannot_be_released(place):
    about = end(place.west, kind=Kind.HELD)
    code, document = place.json("release", SDK, "--resend")
    assert (code, "is a key: name one transfer of it" in document["refused"]) == (1, True)
    code, document = place.json("release", f"{about.id}0", "--resend")
    assert (code, about.id in document["refused"]) == (1, True)


def test_a_release_that_died_is_finished_by_the_same_command(place, monkeypatch):
    """It died between the fact of the decision and the execution that carries it out."""
    about = end(place.west, kind=Kind.HELD)
    _, plan = released(place, about, "--resend")
    words = ("--resend", "--apply", "--digest", plan["digest"])
    real = Regions.client

    class Mortal:
        def __init__(self, client: Any) -> None:
            self._client = client

        def __getattr__(self, name: str) -> Callable[..., Any]:
            if name == "start_execution":
                raise CrashError(name)
            return getattr(self._client, name)

    with monkeypatch.context() as patch:
        patch.setattr(Regions, "client", lambda *args: Mortal(real(*args)))
        with pytest.raises(CrashError):
            released(place, about, *words)
    assert replays(place.west) == []
    code, done = released(place, about, *words)
    assert (code, replays(place.west)) == (0, [about.id])
    assert done["started"] == {"partner": place.west.fact(Kind.REPLAYED, about).writer}


def test_the_survivor_releases_what_the_lost_region_holds(place):
    about = end(place.west, kind=Kind.HELD)
    place.lose(WEST)
    code, document = released(place, about, "--resend")
    assert (code, "not declared lost" in document["refused"]) == (1, True)
    declare_out(place, place.west)
    _, plan = released(place, about, "--resend")
    assert plan["region"] == EASTERN
    assert released(place, about, "--resend", "--apply", "--digest", plan["digest"])[0] == 0
    assert replays(place.east) == [about.id]
