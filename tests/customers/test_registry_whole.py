"""The registry as a whole: what is in its directory, what two files share, what an environment allows."""

from __future__ import annotations

import os

import pytest
from customer_samples import KEY, NAMESPACE, OTHER_KEY, SOUND, ZONE, another, broken, said, write

from customers import addresses, names
from customers.problems import RegistryError
from customers.registry import load, source_cidrs


def test_a_sound_registry_is_returned_sorted_by_id(tmp_path):
    registry = load(write(tmp_path, a=SOUND, b=another("b2b2b", west="east")), namespace=NAMESPACE, zone=ZONE)
    assert [customer.id for customer in registry.customers] == ["b2b2b", "c7k2m"]
    assert registry.of_cell("1") == registry.customers
    assert registry.of_cell("2") == ()


def test_what_is_in_the_directory(tmp_path):
    registry = write(tmp_path, acme=SOUND)
    (registry / "other.yml").write_text(another())
    (registry / "LOUD.YAML").write_text(another())
    (registry / "folder.yaml").mkdir()
    (registry / "new").mkdir()
    (registry / "new" / "agency.yaml").write_text(another())
    (registry / "acme.yaml.bak").write_text(another())
    (registry / "acme.yaml~").write_text(another())
    (registry / "acme.json").write_text("{}")
    (registry / "linked.yaml").symlink_to("/dev/zero")
    os.mkfifo(registry / "pipe.yaml")
    (registry / "yaml.py").write_text("")
    (registry / ".#acme.yaml").symlink_to("nowhere")
    (registry / "schema.json").write_text("{}")
    assert said(registry) == [
        "customers/LOUD.YAML:1: is not read; rename it to LOUD.yaml, or move it away",
        "customers/acme.json:1: is not read; rename it to acme.yaml, or move it away",
        "customers/acme.yaml.bak:1: is not read; rename it to acme.yaml, or move it away",
        "customers/acme.yaml~:1: is not read; rename it to acme.yaml, or move it away",
        "customers/folder.yaml:1: is not a file; move it away",
        "customers/linked.yaml:1: is a link, which is not followed; put the file itself here",
        "customers/new/agency.yaml:1: is not read; move it to customers, or out of it",
        "customers/other.yml:1: is not read; rename it to other.yaml, or move it away",
        "customers/pipe.yaml:1: is not a file; move it away",
    ]


def test_an_empty_registry_is_refused(tmp_path):
    assert said(write(tmp_path)) == [
        "customers:1: the registry is empty, which would remove every customer; add a .yaml file"
    ]
    assert said(tmp_path / "gone") == ["gone:1: cannot be read: No such file or directory"]


def test_a_registry_elsewhere_is_named_in_full(tmp_path, monkeypatch):
    registry = write(tmp_path, acme="")
    (tmp_path / "beside").mkdir()
    monkeypatch.chdir(tmp_path / "beside")
    assert said(registry) == [
        f"{registry}/acme.yaml:1: is empty; describe a customer in it or remove the file"
    ]
    assert os.fspath(registry).startswith("/")


# --- Between files -------------------------------------------------------------------------------


def test_ids_users_keys_and_places_belong_to_one_file(tmp_path):
    assert said(write(tmp_path, a=SOUND, b=SOUND)) == [
        "customers/b.yaml:1: id: the id 'c7k2m' is already used in customers/a.yaml:1; give this customer"
        " another",
        "customers/b.yaml:7: sftp.users[0].name: the SFTP user name 'c7k2m-batch' is already used in"
        " customers/a.yaml:7; one server serves all customers, so choose another",
        "customers/b.yaml:9: sftp.users[0].public_keys[0]: the SFTP key"
        " 'SHA256:i3sy7PJxNpVpRSaqlHyVW7Sr4/JdBedI4ijXm6MGhz0' is already used in customers/a.yaml:9; a"
        " key must"
        " belong to one customer, so let one of them make a new key",
        "customers/b.yaml:12: destinations.partner: another customer's files go to this place too, by"
        " customers/a.yaml:12, and a file of the same name would replace theirs; agree on a directory or"
        " prefix of its own with the partner",
        "customers/b.yaml:18: destinations.landing: another customer's files go to this place too, by"
        " customers/a.yaml:18, and a file of the same name would replace theirs; agree on a directory or"
        " prefix of its own with the partner",
    ]


def directory(at: str) -> tuple[str, str]:
    """Return the change that gives the SFTP destination a directory."""
    return ("    secret: mft/c7k2m/partner\n", f"    secret: partner\n    directory: {at}\n")


def port(number: int) -> tuple[str, str]:
    """Return the change that gives the SFTP destination a port."""
    return ("    secret: mft/c7k2m/partner\n", f"    secret: partner\n    port: {number}\n")


def prefix(at: str) -> tuple[str, str]:
    """Return the change that gives the S3 destination a prefix."""
    return ("    bucket: partner-landing\n", f"    bucket: partner-landing\n    prefix: {at}\n")


@pytest.mark.parametrize(
    ("mine", "theirs", "clash"),
    [
        (directory("/in/a"), directory("/in/a/"), "to this place"),
        (directory("a"), directory("./a"), "to this place"),
        (directory("."), port(22), "to this place"),
        (directory("."), port(2022), None),
        (directory("a"), directory("a/b/c"), "above it"),
        (directory("a/b"), directory("a"), "above it"),
        (directory("/"), directory("/in"), "above it"),
        (directory("."), directory("a"), "above it"),
        (directory("/in/a"), directory("/in/ab"), None),
        (directory("a"), directory("/a"), None),
        (directory("."), directory("/in"), None),
        (prefix("a/"), prefix("a/"), "to this place"),
        (prefix("a/"), prefix("a/b/"), "above it"),
        (prefix("''"), prefix("a/b/"), "above it"),
        (prefix("a/"), prefix("ab/"), None),
    ],
)
def test_no_customer_writes_into_the_place_of_another(mine, theirs, clash, tmp_path):
    """Both would be told that a file was delivered, and the second would have replaced the first."""
    bucket, host = "partner-landing", "sftp.partner.example"
    other = another().replace(
        *(each.replace("c7k2m", "h4t9q").replace(bucket, "h4t9q-landing") for each in theirs)
    )
    kept = bucket if theirs[0].startswith("    bucket") else host
    other = other.replace(kept.replace("partner-", "h4t9q-").replace(".partner.", ".h4t9q."), kept)
    registry = write(tmp_path, a=broken(mine), b=other)
    if clash is None:
        assert len(load(registry).customers) == 2
    else:
        (line,) = said(registry)
        assert f"another customer's files go {clash} too, by customers/" in line


@pytest.mark.parametrize(("stage", "is_free"), [("draining", False), ("retired", True)])
def test_a_retired_customers_place_is_free_and_a_draining_ones_is_not(stage, is_free, tmp_path):
    """Files of the draining one are still on their way there."""
    leaving = SOUND.replace("lifecycle: active", f"lifecycle: {stage}")
    same = SOUND.replace("c7k2m", "h4t9q").replace(f"        - {KEY}", f"        - {OTHER_KEY}")
    registry = write(tmp_path, a=leaving, b=same)
    if is_free:
        assert len(load(registry).customers) == 2
    else:
        assert all("another customer's files go to this place too" in line for line in said(registry))


def test_a_customer_may_come_from_the_widest_network_and_from_no_address_more():
    addresses.check_together(["11.0.0.0/8", "11.1.0.0/16"])
    with pytest.raises(ValueError, match="16,777,217 addresses together"):
        addresses.check_together(["11.0.0.0/8", "12.0.0.1/32"])


def test_a_clash_is_found_although_a_file_is_broken_elsewhere(tmp_path):
    lines = said(
        write(tmp_path, a=broken(("primary: west", "primary: wst")), b=another("h4t9q", h4t9q="c7k2m"))
    )
    assert [line.split(":")[:3] for line in lines] == [
        ["customers/a.yaml", "4", " primary"],
        ["customers/b.yaml", "1", " id"],
        ["customers/b.yaml", "7", " sftp.users[0].name"],
    ]


def test_a_key_with_another_comment_is_the_same_key(tmp_path):
    same = (
        another()
        .replace("source_cidrs", "source_cidrs")
        .replace("      public_keys:\n", f"      public_keys:\n        - {KEY} someone@somewhere\n")
    )
    (line,) = said(write(tmp_path, a=SOUND, b=same))
    assert line.startswith("customers/b.yaml:9: sftp.users[0].public_keys[0]: the SFTP key 'SHA256:")


def test_partners_may_be_on_this_machine_only_where_aws_is(tmp_path, monkeypatch):
    registry = write(tmp_path, a=broken(("host: sftp.partner.example", "host: 127.0.0.1")))
    for endpoint in ("", "https://s3.us-gov-west-1.amazonaws.com", "http://127.0.0.1.example"):
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        assert len(said(registry)) == 1
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    assert load(registry).customers
    (registry / "a.yaml").write_text(broken(("host: sftp.partner.example", "host: 169.254.169.254")))
    assert len(said(registry)) == 1


# --- In an environment ---------------------------------------------------------------------------


def test_names_that_are_too_long_for_this_environment(tmp_path):
    registry = write(tmp_path, acme=SOUND)
    namespace, zone = "n" * 53, ".".join(["z" * 60] * 4)
    load(registry, namespace="n" * 44, zone="z.example")
    assert said(registry, namespace=namespace, zone=zone) == [
        f"customers/acme.yaml:1: cell: '{namespace}-cell1-archive-east' has 72 characters, but 63 are"
        " allowed; shorten the namespace",
        f"customers/acme.yaml:1: id: '_bucket.primary.c7k2m.{zone}' has 265 characters, but 253 are allowed;"
        " shorten the zone",
        f"customers/acme.yaml:1: id: '{namespace}-c7k2m-east' has 64 characters, but 63 are allowed; shorten"
        " the namespace",
    ]


def test_a_secrets_name_counts_whole(tmp_path):
    """Secrets Manager takes 512 characters, of which the namespace and the id are a part."""
    most = 512 - len(f"{NAMESPACE}/c7k2m/")
    fits, long = (broken(("secret: mft/c7k2m/partner", f"secret: {'s' * n}")) for n in (most, most + 1))
    assert load(write(tmp_path, acme=fits), namespace=NAMESPACE, zone=ZONE).customers
    assert load(write(tmp_path, acme=long)).customers
    assert said(tmp_path / "customers", namespace=NAMESPACE, zone=ZONE) == [
        "customers/acme.yaml:17: destinations.partner.secret: the secret's full name, mft/c7k2m/ and this"
        " name, has 513 characters, 512 are allowed; shorten this name"
    ]


def test_a_file_may_not_be_sent_back_into_the_platform(tmp_path):
    text = broken(
        ("host: sftp.partner.example", "host: east.h4t9q.mft.example.gov"),
        ("bucket: partner-landing", "bucket: mft-h4t9q-east"),
    )
    assert load(write(tmp_path, acme=text)).customers
    (beside,) = load(write(tmp_path, acme=text), namespace="other", zone="ft.example.gov").customers
    assert beside.destinations["partner"].host == "east.h4t9q.mft.example.gov"
    (line,) = said(tmp_path / "customers", zone="east.h4t9q.mft.example.gov")
    assert line.startswith("customers/acme.yaml:14: destinations.partner.host: ")
    assert said(tmp_path / "customers", namespace=NAMESPACE, zone=ZONE) == [
        "customers/acme.yaml:14: destinations.partner.host: 'east.h4t9q.mft.example.gov' belongs to"
        " this platform, so files would come in again; name a partner's host",
        "customers/acme.yaml:20: destinations.landing.bucket: 'mft-h4t9q-east' belongs to this"
        " platform, so files would come in again; name a partner's bucket",
    ]


def test_an_impossible_environment_is_not_a_customers_fault(tmp_path):
    registry = write(tmp_path, acme=SOUND)
    for place in (
        {"namespace": "MFT"},
        {"namespace": "xn--a"},
        {"namespace": "aws"},
        {"namespace": "ssm-mft"},
        {"zone": "example.gov."},
    ):
        with pytest.raises(names.NameRefusedError):
            load(registry, **place)


def test_the_firewall_gets_exactly_the_union(tmp_path):
    registry = write(
        tmp_path,
        a=broken(("[198.51.100.0/24]", "[198.51.100.0/25, 192.0.2.9/32, 198.51.100.7/32]")),
        b=another("h4t9q", **{"198.51.100.0/24": "198.51.100.128/25"}),
    )
    assert source_cidrs(load(registry).customers) == ("192.0.2.9/32", "198.51.100.0/24")
    assert source_cidrs(()) == ()


def test_a_customer_that_moves_is_in_two_cells(tmp_path):
    moving = f'{SOUND}cell: "1"\nmove: {{to: "2", step: opened}}\n'
    registry = load(write(tmp_path, a=moving, b=another()), namespace=NAMESPACE, zone=ZONE)
    assert {cell: [each.id for each in registry.of_cell(cell)] for cell in "123"} == {
        "1": ["c7k2m", "h4t9q"],
        "2": ["c7k2m"],
        "3": [],
    }
    assert [(each.id, each.cell) for each in registry.placed] == [
        ("c7k2m", "1"),
        ("c7k2m", "2"),
        ("h4t9q", "1"),
    ]
    (line,) = RegistryError(registry.unserved({"1"})).lines
    number = len(moving.splitlines())
    assert line.startswith(f"customers/a.yaml:{number}: ")
    assert ": move.to: no stack serves cell 2; name a cell that has a stack file in every region (1)" in line


def test_a_move_that_is_not_one_is_refused(tmp_path):
    where = f"customers/a.yaml:{len(SOUND.splitlines()) + 1}: move"
    for move, message in (
        ('{to: "1", step: opened}', ".to: '1' is the cell of this customer; name another, or remove `move`"),
        ('{to: "02", step: opened}', ".to: '02' is not a cell; write its number, from 1 to 999, "),
        (
            '{to: "2", step: open}',
            ".step: 'open' is not one of prepared, opened, switched, drained, abandoned",
        ),
        ('{to: "2"}', ".step: is missing; add it"),
        ('{to: "2", step: opened, by: me}', ".by: is not a known key; use one of step, to"),
    ):
        (line,) = said(write(tmp_path, a=f"{SOUND}move: {move}\n"))
        assert line.startswith(f"{where}{message}"), line
    leaving = broken(("lifecycle: active", "lifecycle: closing")) + 'move: {to: "2", step: opened}\n'
    assert said(write(tmp_path, a=leaving)) == [
        "customers/a.yaml:3: lifecycle: is 'closing', but a customer that moves to another cell is 'active';"
        " put that back until the move has ended"
    ]


def test_names_have_to_fit_in_the_cell_that_a_customer_moves_to(tmp_path):
    id = "a" * 20
    sound = another(id)
    long = "n" * (63 - len(f"-mft-{id}-west")) + "-mft"
    load(write(tmp_path, a=sound), namespace=long, zone=ZONE)
    moving = write(tmp_path, a=f'{sound}move: {{to: "2", step: prepared}}\n')
    (line,) = said(moving, namespace=long, zone=ZONE)
    assert f"{long}-cell2-{id}-" in line
