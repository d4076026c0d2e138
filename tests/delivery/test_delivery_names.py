"""The names that files get at a destination."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.delivery import PermanentDeliveryError, name_for
from runtime.delivery.names import check_name, temporary_name


@pytest.mark.parametrize(
    ("match", "key", "name"),
    [
        ("sftp/acme/out/**", "sftp/acme/out/2026/a.csv", "2026/a.csv"),
        ("sftp/acme/*.csv", "sftp/acme/a.csv", "a.csv"),
        ("sftp/*/a.csv", "sftp/acme/a.csv", "acme/a.csv"),
        ("**", "sftp/acme/a.csv", "sftp/acme/a.csv"),
        ("sdk/a.csv", "sdk/a.csv", "a.csv"),
    ],
)
def test_a_name_is_what_is_below_the_literal_directories(match: str, key: str, name: str) -> None:
    assert name_for(match, key) == name


def test_a_key_outside_the_route_is_refused() -> None:
    with pytest.raises(PermanentDeliveryError, match="is not below 'sdk/'"):
        name_for("sdk/**", "sftp/acme/a.csv")


PATHS = ["", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\\..\\b"]
TEXTS = ["a\x00b", "a\x7f", "a\x9b", "a/\n", "\ud800", "x" * 256, "ü" * 128]


@pytest.mark.parametrize("name", [*PATHS, *TEXTS])
def test_dangerous_names_are_refused(name: str) -> None:
    with pytest.raises(PermanentDeliveryError, match="name: "):
        check_name(name)


@pytest.mark.parametrize(
    "name", ["a", "..a", "a..b/...", "a b", "März", "x" * 255, ".a.part", "-rf", "~root"]
)
def test_other_names_are_kept(name: str) -> None:
    assert check_name(name) == name


segments = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\\"), min_size=1, max_size=60
)
keys = st.lists(segments.filter(lambda s: s not in (".", "..")), min_size=1, max_size=4).map("/".join)


@given(keys, keys, st.sampled_from(["**", "in/**", "in/x/*"]))
def test_two_keys_of_a_route_never_share_a_name(one: str, other: str, match: str) -> None:
    prefix = match[: match.rindex("*")].removesuffix("*")
    assert (name_for(match, prefix + one) == name_for(match, prefix + other)) == (one == other)


@given(segments, segments)
def test_temporary_names_fit_are_hidden_and_differ(one: str, other: str) -> None:
    names = {temporary_name(base, attempt) for base in {one, other} for attempt in ("try-1", "try-2")}
    assert len(names) == 2 * len({one, other})
    assert all(name.startswith(".") and len(name.encode()) <= 255 for name in names)


def test_a_temporary_name_of_the_longest_name_fits() -> None:
    assert temporary_name("ü" * 127, "exec-1.3").endswith(".exec-1.3.part")
    assert len(temporary_name("x" * 255, "t" * 120).encode()) <= 255


@pytest.mark.parametrize("attempt", ["", "a/b", "a b", "ü", "x" * 121])
def test_an_attempt_is_a_plain_word(attempt: str) -> None:
    with pytest.raises(ValueError, match="attempt"):
        temporary_name("a", attempt)
