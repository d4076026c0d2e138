"""Broken files, and the exact message about each: the file, the line, the place, the remedy."""

from __future__ import annotations

import string

import pytest
import yaml
from broken_files import ONE_PROBLEM
from customer_samples import KEY, NAMESPACE, P384, SOUND, ZONE, another, broken, said, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customers.problems import Problem, RegistryError
from customers.registry import load


@pytest.mark.parametrize("case", ONE_PROBLEM)
def test_one_thing_broken_is_one_line(case, tmp_path):
    change, expected = ONE_PROBLEM[case]
    (line,) = said(write(tmp_path, acme=broken(change)))
    assert line == f"customers/acme.yaml:{expected}"


def test_all_problems_of_all_files_are_reported_at_once_in_order(tmp_path):
    bad = broken(
        ("id: c7k2m", "id: C"),
        ("primary: west", "primary: wst"),
        ("to: [partner]", "to: [partnr]"),
        ("kind: s3", "kind: s3\n    kind: s3"),
    )
    assert said(write(tmp_path, b=bad, a="id: [x\nname: y\n", c=another("h4t9q", west="north"))) == [
        "customers/a.yaml:1: is not YAML: a bracket is opened here and not closed, or a ',' is missing;"
        " close it",
        "customers/b.yaml:1: id: 'C' is not an id; use 3 to 20 lower-case letters and digits, the first a"
        " letter",
        "customers/b.yaml:4: primary: 'wst' is not one of east, west",
        "customers/b.yaml:12: destinations.partner: no route sends anything here; add it to a route's 'to' or"
        " remove it",
        "customers/b.yaml:20: destinations.landing.kind: is given twice, first on line 19; remove one",
        "customers/b.yaml:24: routes[0].to[0]: 'partnr' is not a destination of this customer; did you mean"
        " 'partner'?",
        "customers/c.yaml:4: primary: 'north' is not one of east, west",
    ]


def test_a_key_that_is_no_word_is_quoted(tmp_path):
    strange = broken(
        ("  landing:", '  "*":\n    kind: s3\n    bucket: mft-x-east\n  landing:'),
        ("primary: west", 'primary: west\n"a: b\\nc": 1'),
    )
    assert said(write(tmp_path, acme=strange), namespace=NAMESPACE, zone=ZONE) == [
        "customers/acme.yaml:5: 'a: b\\nc': is not a known key; use one of cell, destinations, duplicates,"
        " failover, id, incoming, lifecycle, limits, move, name, primary, receipts, retention, routes, sdk,"
        " sftp, temporary_names",
        "customers/acme.yaml:19: destinations.*: '*' is not a destination name; use up to 40 lower-case"
        " letters, digits and hyphens, the first a letter",
        "customers/acme.yaml:19: destinations.*: no route sends anything here; add it to a route's 'to' or"
        " remove it",
        "customers/acme.yaml:21: destinations.*.bucket: 'mft-x-east' belongs to this platform, so files would"
        " come in again; name a partner's bucket",
    ]


SECOND_USER = f"""\
    - name: c7k2m-night
      public_keys: [{P384}]
      source_cidrs: [192.0.2.0/24]
destinations:
"""
SECOND_ROUTE = "routes:\n  - match: sftp/c7k2m-night/*.dat\n    to: [landing]\n"


def test_what_cannot_be_read_is_not_missed(tmp_path):
    """A damaged name or pattern is only one problem, not also a user without a route or a useless route."""
    two_users = (("destinations:\n", SECOND_USER), ("routes:\n", SECOND_ROUTE))
    load(write(tmp_path, acme=broken(*two_users)))
    for damage, place in (
        (
            ("name: c7k2m-night", "name: C7K2M-night"),
            "11: sftp.users[1].name: 'C7K2M-night' is not an SFTP user",
        ),
        (("night/*.dat", "night/[a]"), "25: routes[0].match: 'sftp/c7k2m-night/[a]' has a '['"),
    ):
        text = broken(*two_users)
        assert text.count(damage[0]) == 1
        (line,) = said(write(tmp_path, acme=text.replace(*damage)))
        assert line.startswith(f"customers/acme.yaml:{place}")


def test_a_key_listed_twice_is_found_although_the_file_is_broken_elsewhere(tmp_path):
    twice = broken((f"        - {KEY}\n", f"        - {KEY}\n        - {KEY} comment\n"), ("west", "wst"))
    assert [line.split(":")[1:3] for line in said(write(tmp_path, acme=twice))] == [
        ["4", " primary"],
        ["10", " sftp.users[0].public_keys[1]"],
    ]


def test_a_principal_of_another_partition_is_refused_with_an_example(tmp_path):
    other = ":".join(["arn", "aws", "iam", "", "123456789012", "role/a"])
    sdk = f"sdk:\n  principals:\n    - {other}\ndestinations:\n"
    route = "routes:\n  - match: sdk/*.dat\n    to: [landing]\n"
    assert said(write(tmp_path, acme=broken(("destinations:\n", sdk), ("routes:\n", route)))) == [
        f"customers/acme.yaml:13: sdk.principals[0]: {other!r} is in the partition 'aws', and this platform"
        " is in 'aws-us-gov'; use an ARN of the GovCloud account, such as"
        " arn:aws-us-gov:iam::123456789012:role/uploader"
    ]


def routes(*patterns: str) -> str:
    """Return the valid file with these routes, to one destination each of its own bucket."""
    head = SOUND[: SOUND.index("destinations:")]
    places = "".join(f"  d{n}: {{kind: s3, bucket: partner-{n:04}}}\n" for n in range(len(patterns)))
    lines = "".join(f"  - {{match: {each!r}, to: [d{n}]}}\n" for n, each in enumerate(patterns))
    return f"{head}destinations:\n{places}routes:\n{lines}"


@pytest.mark.parametrize("number", [400, pytest.param(1999, marks=pytest.mark.exhaustive)])
def test_many_routes_are_compared(tmp_path, number):
    """Each is compared with all others; the one that overlaps is found among them."""
    many = [f"sftp/c7k2m-batch/*-{n:04}.csv" for n in range(number)]
    assert len(load(write(tmp_path, acme=routes(*many))).customers[0].routes) == number
    (line,) = said(write(tmp_path, acme=routes(*many, "sftp/c7k2m-batch/?-0007.csv")))
    assert f"routes[{number}].match: 'sftp/c7k2m-batch/?-0007.csv' overlaps " in line
    assert "of routes[7]: both match 'sftp/c7k2m-batch/a-0007.csv'" in line


def test_of_many_problems_of_one_kind_the_first_are_printed_with_a_count(tmp_path):
    same = routes(*["sftp/c7k2m-batch/**"] * 2000).replace("primary: west", "primary: wst")
    with pytest.raises(RegistryError) as refused:
        load(write(tmp_path, acme=same))
    assert len(refused.value.problems) == 2000
    first, *lines, last = str(refused.value).splitlines()
    assert first == "customers/acme.yaml:4: primary: 'wst' is not one of east, west"
    assert len(lines) == 20
    assert lines[-1].startswith("customers/acme.yaml:2033: routes[20].match: ")
    assert last == "customers/acme.yaml: routes[].match: 1,979 more problems like these"


def test_a_public_key_over_two_lines_is_no_secret_key(tmp_path):
    type_, blob = KEY.split()
    folded = f"        - {type_} {blob[:-40]}\n          {blob[-40:]}\n"
    (line,) = said(write(tmp_path, acme=broken((f"        - {KEY}\n", folded))))
    assert line == (
        "customers/acme.yaml:9: sftp.users[0].public_keys[0]: is cut short; paste the whole line of the .pub"
        " file"
    )


def test_a_problem_is_a_value(tmp_path):
    with pytest.raises(RegistryError) as refused:
        load(write(tmp_path, acme=broken(("primary: west", "primary: wst"))))
    (problem,) = refused.value.problems
    assert problem == Problem("customers/acme.yaml", 4, "primary", "'wst' is not one of east, west")


def test_nobody_can_send(tmp_path):
    text = SOUND[: SOUND.index("sftp:")] + SOUND[SOUND.index("destinations:") :]
    assert said(write(tmp_path, acme=text)) == [
        "customers/acme.yaml:1: nobody can send; add a user under 'sftp.users' or an ARN under"
        " 'sdk.principals'"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "1: is empty; describe a customer in it or remove the file"),
        ("# later\n", "1: is empty; describe a customer in it or remove the file"),
        ("---\n", "1: is empty; describe a customer in it or remove the file"),
        ("\n- id: x\n", "2: holds no keys and values; write `id:`, `name:` and so on"),
        ("id\n", "1: holds no keys and values; write `id:`, `name:` and so on"),
        ("id: &a x\nname: *a\n", None),
        ("a: &a [*a]\n", None),
        (
            "id: x: y\n",
            "1: is not YAML: a value holds ': ', or the indentation is wrong; quote the value",
        ),
        ("id: 'x\nname: y\n", "1: is not YAML: a quote is opened here and never closed; close it"),
        ("id: [", "1: is not YAML: a bracket is never closed, or a value is missing; close it"),
        (
            "a:\n  - b\n c: 1\n",
            "3: is not YAML: the indentation does not fit the lines above; align it with its neighbours",
        ),
        ("id: x\nname: a\x00b\n", "2: is not YAML: there is a control character; remove it"),
        ("[" * 2000, "1: is nested too deeply to be a customer"),
    ],
)
def test_a_file_without_a_customer_in_it(text, expected, tmp_path):
    lines = said(write(tmp_path, acme=text))
    if expected is None:
        faults = {line.partition(": ")[2].partition(";")[0] for line in lines}
        assert faults == {"anchors are not allowed", "aliases are not allowed"}
    else:
        assert lines == [f"customers/acme.yaml:{expected}"]


def test_yaml_words_are_text_as_in_the_editor(tmp_path):
    """YAML 1.1 would read `no` as a boolean, 2026-01-31 as a date and 75:30 as 4530."""
    for name in ("no", "2026-01-31", "75:30", "2024-99-99", "1e3", "0o17", "="):
        (customer,) = load(write(tmp_path, acme=broken(("Example agency", name)))).customers
        assert customer.name == name


def test_a_file_that_is_not_utf_8(tmp_path):
    registry = write(tmp_path, acme=SOUND)
    (registry / "acme.yaml").write_bytes(SOUND.encode().replace(b"Example", b"Ex\xe4mple"))
    (registry / "wide.yaml").write_bytes(another().encode("utf-16"))
    assert said(registry) == [
        "customers/acme.yaml:2: is not UTF-8; save the file in that encoding",
        "customers/wide.yaml:1: is not UTF-8; save the file in that encoding",
    ]


# --- Whatever is written -------------------------------------------------------------------------

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(string.printable, max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(string.printable, max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(data, path=()):
    """Every path in a value."""
    yield path
    for step, value in (
        data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    ):
        yield from paths(value, (*path, step))


FULL = (
    SOUND
    + """\
sdk: {principals: [arn:aws-us-gov:iam::123456789012:role/a]}
temporary_names: ["*.x"]
duplicates: {policy: content, window: 7d}
receipts: [{kind: sqs, arn: arn:aws-us-gov:sqs:us-gov-west-1:123456789012:q}, {kind: email, address: a@b.c}]
retention: {inbound_days: 1, archive_days: 1, tracker_days: 400}
failover: {ttl: 1, health_check: cell}
"""
)
PLACES = list(paths(yaml.safe_load(FULL)))[1:]


def judged(directory, text: str) -> str:
    """Return what is printed about a file, or nothing for a valid one; any other exception is raised."""
    registry = write(directory, acme="")
    (registry / "acme.yaml").write_bytes(text.encode("utf-8", errors="surrogatepass"))
    problems: tuple[Problem, ...] = ()
    try:
        load(registry, namespace=NAMESPACE, zone=ZONE)
    except RegistryError as refused:
        problems = refused.problems
    printed = "\n".join(map(str, problems))
    assert len(printed.splitlines()) == len(problems)
    return printed


quickly = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200
)


@quickly
@given(place=st.sampled_from(PLACES), value=anything, remove=st.booleans())
def test_any_value_in_any_place_is_judged_in_plain_words(tmp_path, place, value, remove):
    data = yaml.safe_load(FULL)
    parent = data
    for step in place[:-1]:
        parent = parent[step]
    if remove:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    printed = judged(tmp_path, yaml.safe_dump(data, allow_unicode=True))
    for jargon in ("pydantic", "Input should", "is not valid:", "type=", "Error", "validation", "Traceback"):
        assert jargon not in printed


@quickly
@given(text=st.text(max_size=40), at=st.integers(0, len(SOUND)), length=st.integers(0, 30))
def test_any_text_in_a_file_is_accepted_or_refused(tmp_path, text, at, length):
    judged(tmp_path, SOUND[:at] + text + SOUND[at + length :])


def test_what_is_written_under_its_final_name_cannot_be_held(tmp_path):
    """After a crash nobody could tell a part of the file from the file."""
    plainly = ("    user: mft\n", "    user: mft\n    publish: write\n")
    held = ("    to: [partner]\n", "    to: [partner]\n    on_unknown: hold\n")
    assert said(write(tmp_path, acme=broken(plainly, held))) == [
        "customers/acme.yaml:24: routes[0].to[0]: 'partner' has `publish: write`, so after a crash the"
        " partner may have a part of the file, and `on_unknown: hold` could not tell; send to it from a"
        " route with `on_unknown: deliver`"
    ]
    load(write(tmp_path, acme=broken(plainly)))
