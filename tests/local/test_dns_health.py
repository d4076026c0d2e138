"""The status of health checks, worked out by hand from Route 53's documentation.

https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/dns-failover-determining-health-of-endpoints.html
https://docs.aws.amazon.com/Route53/latest/APIReference/API_HealthCheckConfig.html
"""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from dns_estate import EAST, WEST, Down, Estate, states

from local.dns.health import within
from local.dns.server import DnsServer

MINUTE = 60.0


@pytest.fixture
def estate(aws) -> Iterator[Estate]:
    made = Estate(aws)
    yield made
    made.close()


def test_calculated_checks(estate: Estate):
    """ "Route 53 adds up the number of child health checks that are considered to be healthy"."""
    up, down, up2 = estate.leaf(True), estate.leaf(False), estate.leaf(True)
    disabled = estate.leaf(False, Disabled=True)
    inverted = estate.leaf(False, Inverted=True)
    expected = {
        # "If you specify 0, Route 53 always considers this health check to be healthy"
        estate.over(0, down): True,
        estate.over(1, up, down): True,
        estate.over(2, up, down): False,
        estate.over(2, up, down, up2): True,
        estate.over(3, up, down, up2): False,
        # "a number greater than the number of child health checks [...] always [...] unhealthy"
        estate.over(3, up, up2): False,
        estate.over(1, disabled): True,
        estate.over(1, inverted): True,
        estate.over(1, up, Inverted=True): False,
        estate.over(1, down, Inverted=True): True,
        estate.over(1, down, Disabled=True): True,
        estate.over(3, up, up2, Disabled=True): True,
    }
    with estate.serve() as server:
        assert {id: server.health()[id] for id in expected} == expected


def test_a_calculated_check_does_not_count_another(estate: Estate):
    """ "You can't configure a calculated health check to monitor [...] other calculated health checks"."""
    inner = estate.over(0, estate.leaf(True))
    outer = estate.over(1, inner)
    with estate.serve() as server:
        assert states(server, {"inner": inner, "outer": outer}) == {"inner": True, "outer": False}


@pytest.mark.parametrize(
    ("disabled", "inverted", "healthy"),
    [(False, False, False), (False, True, True), (True, False, True), (True, True, True)],
)
def test_disabled_is_healthy_and_inverted_is_the_contrary(
    estate: Estate, disabled: bool, inverted: bool, healthy: bool
):
    """ "After you disable a health check, Route 53 considers the status [...] to always be healthy"."""
    id = estate.leaf(False, Disabled=disabled, Inverted=inverted)
    with estate.serve() as server:
        assert server.health()[id] == healthy


@pytest.mark.parametrize(
    ("insufficient", "new", "after_alarm"),
    [("Healthy", True, True), ("Unhealthy", False, False), ("LastKnownStatus", True, False)],
)
def test_an_alarm_without_data(estate: Estate, insufficient: str, new: bool, after_alarm: bool):
    """ "For new health checks that have no last known status, the default status [...] is healthy"."""
    id = estate.watching(estate.alarm(), insufficient)
    upside_down = estate.watching(estate.alarm(), insufficient, Inverted=True)
    with estate.serve() as server:
        assert server.health() == server.health() | {id: new, upside_down: not new}
        estate.publish(1)
        server.refresh()
        assert server.health() == server.health() | {id: False, upside_down: True}
        estate.now += 3 * MINUTE
        server.refresh()
        assert server.health() == server.health() | {id: after_alarm, upside_down: not after_alarm}
        estate.publish(0)
        server.refresh()
        assert server.health() == server.health() | {id: True, upside_down: False}


def test_the_last_known_status_is_one_that_data_gave(estate: Estate):
    id = estate.watching(estate.alarm(), "Unhealthy")
    with estate.serve() as server:
        estate.publish(0)
        server.refresh()
        estate.now += 3 * MINUTE
        server.refresh()
        assert not server.health()[id]
        estate.aws("route53").update_health_check(
            HealthCheckId=id, InsufficientDataHealthStatus="LastKnownStatus"
        )
        server.refresh()
        assert server.health()[id]


def test_a_disabled_check_does_not_watch_its_alarm(estate: Estate):
    """ "Route 53 stops monitoring the corresponding CloudWatch metrics"."""
    id = estate.watching(estate.alarm(), "LastKnownStatus")
    estate.watching(estate.alarm(), "LastKnownStatus")  # for which the region is looked at
    change = estate.aws("route53").update_health_check
    with estate.serve() as server:
        for value, disabled, healthy in ((1, False, False), (0, True, True)):
            change(HealthCheckId=id, Disabled=disabled)
            estate.publish(value)
            server.refresh()
            assert server.health()[id] == healthy
            estate.now += 3 * MINUTE
        change(HealthCheckId=id, Disabled=False)
        server.refresh()
        assert not server.health()[id]


def test_an_alarms_data_counts_and_not_its_state(estate: Estate):
    """ "you can't force the status of a health check to change by using [...] SetAlarmState"."""
    id = estate.watching(estate.alarm(), "LastKnownStatus")
    other_region = estate.watching(estate.alarm(WEST), "LastKnownStatus", WEST)
    with estate.serve() as server:
        for value, state in ((0, "ALARM"), (1, "OK")):
            estate.publish(value)
            estate.publish(1, estate=estate.number + 1000)  # another dimension
            estate.aws("cloudwatch", EAST).set_alarm_state(
                AlarmName=f"estate-{estate.number}", StateValue=state, StateReason="by hand"
            )
            server.refresh()
            assert server.health()[id] == (value == 0)
            assert server.health()[other_region]
            estate.now += MINUTE


def test_the_newest_datapoints_count_for_two_periods_more(estate: Estate):
    id = estate.watching(estate.alarm(), "Healthy")
    with estate.serve() as server:

        def healthy_after(minutes: float) -> bool:
            published, estate.now = estate.now, estate.now + minutes * MINUTE
            server.refresh()
            estate.now = published
            return server.health()[id]

        estate.publish(1)
        assert not any(healthy_after(minutes) for minutes in (0, 1, 2.4))
        assert all(healthy_after(minutes) for minutes in (2.6, 3))
        estate.publish(0, after=-MINUTE)  # an older one
        assert not healthy_after(0)
        estate.publish(0, after=MINUTE)
        assert not healthy_after(0)  # it is not yet that time
        assert healthy_after(1)


def test_alarms_of_different_periods_are_judged_together(estate: Estate):
    minutely = estate.watching(estate.alarm(), "Healthy")
    hourly = estate.watching(estate.alarm(AlarmName=f"hourly-{estate.number}", Period=3600), "Healthy")
    estate.publish(1, after=-5 * MINUTE)
    with estate.serve() as server:
        assert states(server, {"minutely": minutely, "hourly": hourly}) == {"minutely": True, "hourly": False}


@pytest.mark.parametrize(("scale", "healthy"), [(1.0, False), (1 / 60, True), (0.001, True)])
def test_periods_can_be_scaled(estate: Estate, scale: float, healthy: bool):
    """In one minute the maximum is 1; in two seconds the newer one is 0. No period is below a second."""
    id = estate.watching(estate.alarm(), "LastKnownStatus")
    estate.publish(1, after=-1)
    estate.publish(0)
    with estate.serve(period_scale=scale) as server:
        assert server.health()[id] == healthy


@pytest.mark.parametrize(
    ("comparison", "at", "healthy"),
    [
        ("GreaterThanOrEqualToThreshold", 1.0, False),
        ("GreaterThanOrEqualToThreshold", 0.9, True),
        ("GreaterThanThreshold", 1.0, True),
        ("GreaterThanThreshold", 1.1, False),
        ("LessThanThreshold", 1.0, True),
        ("LessThanThreshold", 0.9, False),
        ("LessThanOrEqualToThreshold", 1.0, False),
        ("LessThanOrEqualToThreshold", 1.1, True),
    ],
)
def test_comparisons(comparison: str, at: float, healthy: bool):
    alarm = {"ComparisonOperator": comparison, "Threshold": 1.0, "EvaluationPeriods": 1}
    assert within(alarm, [at]) is healthy


@pytest.mark.parametrize(
    ("newest_first", "expected"),
    [
        # The table of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
        # for three of three periods, where data is missing; but one breach of three decides nothing.
        ([1, 1, 1], False),
        ([1, 1, 1, 0], False),
        ([1, 1, 0, 1], True),
        ([1, 0, 1], True),
        ([0], True),
        ([1, 0], True),
        ([1], None),
        ([1, 1], None),
        ([], None),
    ],
)
def test_several_periods(newest_first: list[float], expected: bool | None):
    alarm = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 0, "EvaluationPeriods": 3}
    assert within(alarm, newest_first) is expected


@pytest.mark.parametrize(
    ("statistic", "threshold", "healthy"),
    [
        *(("Maximum", 3, False), ("Maximum", 4, True), ("Minimum", 1, False), ("Minimum", 2, True)),
        *(("Sum", 4, False), ("Sum", 5, True), ("Average", 2, False), ("Average", 3, True)),
        *(("SampleCount", 2, False), ("SampleCount", 3, True)),
    ],
)
def test_statistics(estate: Estate, statistic: str, threshold: float, healthy: bool):
    id = estate.watching(estate.alarm(Statistic=statistic, Threshold=threshold), "LastKnownStatus")
    estate.publish(1, after=-2)
    estate.publish(3)
    with estate.serve() as server:
        assert server.health()[id] == healthy


def test_an_edit_of_an_alarm_is_seen_when_its_check_is_updated(estate: Estate):
    """https://docs.aws.amazon.com/Route53/latest/DeveloperGuide/health-checks-updating-cloudwatch-alarm-settings.html"""
    id = estate.watching(estate.alarm(), "Healthy")
    estate.publish(1)
    with estate.serve() as server:
        estate.alarm(Threshold=5.0)
        server.refresh()
        assert not server.health()[id]
        estate.aws("route53").update_health_check(HealthCheckId=id, Inverted=False)
        server.refresh()
        assert server.health()[id]


def test_an_alarm_that_is_deleted_gives_no_data(estate: Estate):
    alarm = estate.alarm()
    ids = {status: estate.watching(alarm, status) for status in ("Healthy", "Unhealthy", "LastKnownStatus")}
    estate.publish(1)
    with estate.serve() as server:
        assert set(states(server, ids).values()) == {False}
        estate.aws("cloudwatch", EAST).delete_alarms(AlarmNames=[alarm])
        server.refresh()
        assert states(server, ids) == {"Healthy": True, "Unhealthy": False, "LastKnownStatus": False}
        estate.alarm(Threshold=5.0)  # another one of that name
        server.refresh()
        assert set(states(server, ids).values()) == {True}


def test_more_alarms_than_a_request_takes(estate: Estate, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("local.dns.health.AT_ONCE", 2)
    expected = {}
    for number in range(5):
        alarm = estate.alarm(AlarmName=f"estate-{estate.number}-{number}", Threshold=float(number))
        expected[estate.watching(alarm, "LastKnownStatus")] = number > 2
    estate.publish(2)
    with estate.serve() as server:
        assert {id: server.health()[id] for id in expected} == expected


def test_a_region_that_is_down_gives_no_more_data(estate: Estate):
    """ "If the data stream doesn't provide enough information [...] the setting" decides."""
    policies = ("Healthy", "Unhealthy", "LastKnownStatus")
    for value, last in ((1, False), (0, True)):
        ids = {policy: estate.watching(estate.alarm(), policy) for policy in policies}
        ids[WEST] = estate.watching(estate.alarm(WEST), "LastKnownStatus", WEST)
        estate.publish(value, region=EAST)
        with estate.serve() as server:
            assert states(server, ids) == dict.fromkeys(policies, last) | {WEST: True}
            estate.down.add(("cloudwatch", EAST))
            estate.now += 2 * MINUTE
            server.refresh()
            assert states(server, ids) == dict.fromkeys(policies, last) | {WEST: True}, "it still counts"
            estate.now += MINUTE
            estate.publish(1, region=WEST)
            server.refresh()
            assert states(server, ids) == {
                "Healthy": True,
                "Unhealthy": False,
                "LastKnownStatus": last,
                WEST: False,
            }
            estate.down.clear()
            estate.publish(value, region=EAST)
            server.refresh()
            assert states(server, ids) == dict.fromkeys(policies, last) | {WEST: False}
        estate.now += 10 * MINUTE


def test_health_goes_on_without_the_control_plane(estate: Estate):
    id = estate.watching(estate.alarm(), "Healthy")
    with estate.serve() as server:
        estate.down.add(("route53", WEST))
        estate.publish(1)
        server.refresh()
        assert not server.health()[id]


def test_a_region_that_hangs_holds_up_no_other(estate: Estate):
    ids = {region: estate.watching(estate.alarm(region), "Healthy", region) for region in (EAST, WEST)}
    hangs, goes_on = threading.Event(), threading.Event()

    def client(service: str, region: str) -> Any:
        if hangs.is_set() and (service, region) == ("cloudwatch", WEST):
            goes_on.wait(20)
            return Down()
        return estate.aws(service, region)

    server = DnsServer(
        client, estate.zone_id, estate.zone, {}, every=0.02, clock=lambda: estate.now, address="127.0.0.6"
    )
    with server:
        hangs.set()
        estate.publish(1, region=EAST)
        assert eventually(lambda: not server.health()[ids[EAST]], within=5)
        goes_on.set()


def _looking() -> set[str]:
    return {each.name.removeprefix("dns ") for each in threading.enumerate() if each.name.startswith("dns ")}


def test_checks_may_be_created_and_deleted_meanwhile(estate: Estate):
    with estate.serve(every=0.02) as server:
        kept = estate.watching(estate.alarm(), "LastKnownStatus")
        estate.publish(1)
        assert eventually(lambda: server.health().get(kept) is False)
        gone = estate.check(Type="TCP", IPAddress="127.0.0.1", Port=_free_port(), FailureThreshold=1)
        assert eventually(lambda: server.health().get(gone) is False)
        assert _looking() == {"records", EAST, gone}
        estate.put("t", "TXT", '"p"', Failover="PRIMARY", SetIdentifier="p", HealthCheckId=gone)
        estate.put("t", "TXT", '"s"', Failover="SECONDARY", SetIdentifier="s")
        assert eventually(lambda: server.answer(estate.name("t"), "TXT").values == ("s",))
        estate.aws("route53").delete_health_check(HealthCheckId=estate.checks.pop())
        assert eventually(lambda: gone not in server.health())
        assert server.answer(estate.name("t"), "TXT").values == ("p",)  # nothing speaks against it
        assert eventually(lambda: _looking() == {"records", EAST})
        assert server.health()[kept] is False


# --- Endpoints -----------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("threshold", [1, 2, None])
def test_an_endpoint_passes_or_fails_several_times_to_change(estate: Estate, threshold: int | None):
    """ "The number of consecutive health checks that an endpoint must pass or fail"; 3 is the default."""
    estate.addresses["203.0.113.1"] = "127.0.0.1"
    config: dict[str, Any] = {"Type": "TCP", "IPAddress": "203.0.113.1", "Port": _free_port()}
    if threshold is not None:
        config["FailureThreshold"] = threshold
    id = estate.check(**config)
    needed = threshold or 3
    with estate.serve() as server:  # which looks once

        def looks() -> list[bool]:
            seen = []
            for _ in range(needed):
                seen.append(server.health()[id])
                server.refresh()
            return [*seen, server.health()[id]]

        assert looks()[:needed] == [True] * (needed - 1) + [False]
        with socket.create_server(("127.0.0.1", config["Port"])):
            assert looks() == [False] * needed + [True]
            server.refresh()
        server.refresh()
        with socket.create_server(("127.0.0.1", config["Port"])):
            server.refresh()  # one that passes makes the count begin again
        assert looks() == [True] * needed + [False]


def test_an_endpoint_by_name(estate: Estate):
    estate.addresses["203.0.113.1"] = "127.0.0.2"
    estate.put("cell", "A", "203.0.113.1")
    estate.put("alias", "CNAME", estate.name("cell"))
    with socket.create_server(("127.0.0.2", 0)) as listener:
        config = {"Type": "TCP", "Port": listener.getsockname()[1], "FailureThreshold": 1}
        names = {
            name: estate.check(FullyQualifiedDomainName=name, **config)
            for name in (
                estate.name("cell"),
                estate.name("alias"),
                estate.name("nowhere"),
                "host.example.org",
            )
        }
        with estate.serve() as server:
            assert list(states(server, names).values()) == [True, True, False, False]


def test_only_loopback_is_asked_and_no_endpoint_of_a_disabled_check(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
):
    addresses = []
    real = socket.create_connection

    def connect(address: tuple[str, int], **how: Any) -> socket.socket:
        addresses.append(address[0])
        return real(address, **how)

    estate.put("public", "A", "198.51.100.1")
    expected = {
        estate.check(Type="TCP", Port=_free_port(), FailureThreshold=1, **where): where.get("Disabled", False)
        for where in (
            {"IPAddress": "198.51.100.1"},
            {"FullyQualifiedDomainName": estate.name("public")},
            {"IPAddress": "127.0.0.1"},
            {"IPAddress": "127.0.0.9", "Disabled": True},
        )
    }
    with estate.serve() as server:
        monkeypatch.setattr("local.dns.health.socket.create_connection", connect)
        server.refresh()
        assert server.health() == server.health() | expected
    assert set(addresses) == {"127.0.0.1"}


class _Pages(http.server.BaseHTTPRequestHandler):
    hosts: set[str | None]

    def do_GET(self) -> None:
        type(self).hosts.add(self.headers["Host"])
        status, _, body = self.path[1:].partition("/")
        if status == "hang":
            self.server.stop_hanging.wait(2.5)  # type: ignore[attr-defined]
            status = "200"
        self.send_response(int(status))
        self.send_header("Location", "/500")
        self.end_headers()
        self.wfile.write(b"." * (int(body) - 4) + b"Well" if body else b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=[False, True], ids=["HTTP", "HTTPS"])
def pages(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    _Pages.hosts = set()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages) as server:
        server.daemon_threads = True
        server.stop_hanging = threading.Event()
        server.kind = "HTTPS" if request.param else "HTTP"
        server.sni = set()
        if request.param:
            server.socket = _tls(tmp_path, server.sni).wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server
        server.stop_hanging.set()
        server.shutdown()


def _tls(folder: Path, seen: set[str | None]) -> ssl.SSLContext:
    """Return the context of a server with an untrusted and expired certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "another.example.org")])
    today = datetime.now(UTC)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.not_valid_before(today - timedelta(9)).not_valid_after(today - timedelta(1)).serial_number(1)
    pem = made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    pem += key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "server.pem").write_bytes(pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.sni_callback = lambda _, name, __: seen.add(name)
    return context


def test_web_endpoints(estate: Estate, pages: Any, monkeypatch: pytest.MonkeyPatch):
    """2xx and 3xx are healthy; a searched string is in the first 5,120 bytes, with its case."""
    monkeypatch.setattr("local.dns.health.HTTP_ANSWER", 1.0)
    port = pages.server_address[1]
    where = {"IPAddress": "127.0.0.1", "Port": port, "FailureThreshold": 1}
    expected = {
        ("/200", None): True,
        ("200", None): True,  # "If you don't include a leading slash, Route 53 automatically adds one"
        ("/302", None): True,
        ("/399", None): True,
        ("/404", None): False,
        ("/503", None): False,
        ("/hang", None): False,
        ("/200/5120", "Well"): True,
        ("/200/5121", "Well"): False,
        ("/200/5120", "well"): False,
        ("/500/5120", "Well"): False,
    }
    ids = {}
    for path, wanted in expected:
        kind = {"Type": f"{pages.kind}_STR_MATCH", "SearchString": wanted} if wanted else {"Type": pages.kind}
        ids[path, wanted] = estate.check(**where, **kind, ResourcePath=path)
    with estate.serve() as server:
        assert states(server, ids) == expected
    assert _Pages.hosts == {f"127.0.0.1:{port}"}


def test_the_name_that_a_web_endpoint_is_asked_for(estate: Estate, pages: Any):
    port = pages.server_address[1]
    where = {"IPAddress": "127.0.0.1", "Port": port, "Type": pages.kind, "ResourcePath": "/200"}
    id = estate.check(**where, FailureThreshold=1, FullyQualifiedDomainName="www.example.gov")
    with estate.serve() as server:
        assert server.health()[id]
    assert _Pages.hosts == {f"www.example.gov:{port}"}
    assert pages.sni == ({"www.example.gov"} if pages.kind == "HTTPS" else set())


def test_an_endpoint_that_speaks_something_else(estate: Estate):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def ssh() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"SSH-2.0-server\r\n")
                    connection.recv(4096)

        threading.Thread(target=ssh, daemon=True).start()
        ids = {
            kind: estate.check(
                Type=kind, IPAddress="127.0.0.1", Port=listener.getsockname()[1], FailureThreshold=1
            )
            for kind in ("HTTP", "HTTPS")
        }
        with estate.serve() as server:
            assert states(server, ids) == {"HTTP": False, "HTTPS": False}


def test_what_health_checkers_report(estate: Estate):
    """Nothing about calculated and disabled checks, and what they see before it is inverted."""
    up, down, inverted = estate.leaf(True), estate.leaf(False), estate.leaf(False, Inverted=True)
    estate.over(1, up)
    estate.leaf(True, Disabled=True)
    reported: list[dict[str, bool]] = []
    with estate.serve(report=reported.append) as server:
        server.refresh()
        assert reported[-1] == {up: True, down: False, inverted: False}
