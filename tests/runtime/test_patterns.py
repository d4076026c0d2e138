"""Patterns: which keys each one takes, and the exact answer to 'could both take one key?'."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from runtime.patterns import PatternError, check, common_key, literal_prefix, matches, overlaps

TAKES = [
    ("sdk/**", "sdk/a"),
    ("sdk/**", "sdk/a/b/c.csv"),
    ("sdk/**", "sdk/"),  # the marker object that a console makes for a folder
    ("**", "a"),
    ("**", "a/b"),
    ("**/x.csv", "x.csv"),
    ("**/x.csv", "a/b/x.csv"),
    ("a/**/b", "a/b"),
    ("a/**/b", "a/c/d/b"),
    ("sftp/alpha/*.csv", "sftp/alpha/1.csv"),
    ("sftp/alpha/*.csv", "sftp/alpha/.csv"),
    ("sftp/*/in/?.txt", "sftp/alpha/in/1.txt"),
    ("*.tmp", "x.tmp"),
    ("a*b*c", "aXbbYc"),
    ("a.b+c(d)|$^", "a.b+c(d)|$^"),
    ("line*", "line\nbreak"),
]
LEAVES = [
    ("sdk/**", "sdk"),
    ("sdk/**", "sdks/a"),
    ("sdk/*", "sdk/a/b"),
    ("**/x.csv", "ax.csv"),
    ("**/x.csv", "a/x.csv/y"),
    ("a/**/b", "ab"),
    ("a/**/b", "a/cb"),
    ("sftp/alpha/*.csv", "sftp/alpha/1.csv.filepart"),
    ("sftp/alpha/*.csv", "sftp/alpha/b/1.csv"),
    ("sftp/*/in/?.txt", "sftp/alpha/in/.txt"),
    ("a?b", "a/b"),
    ("A", "a"),
    ("a.c", "abc"),
    ("*", ""),
    ("**", ""),
]


@pytest.mark.parametrize(("pattern", "key"), TAKES)
def test_a_pattern_takes(pattern, key):
    assert matches(pattern, key)


@pytest.mark.parametrize(("pattern", "key"), LEAVES)
def test_a_pattern_leaves(pattern, key):
    assert not matches(pattern, key)


@pytest.mark.parametrize(
    ("pattern", "prefix"),
    [
        ("sftp/alpha/*.csv", "sftp/alpha/"),
        ("sftp/alpha/report.csv", "sftp/alpha/"),
        ("sdk/**", "sdk/"),
        ("a/b*/c/d", "a/"),
        ("a/?/c", "a/"),
        ("**", ""),
        ("*.csv", ""),
        ("report.csv", ""),
    ],
)
def test_literal_prefix(pattern, prefix):
    assert literal_prefix(pattern) == prefix


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("", "is empty"),
        ("a[bc]", "has a '['"),
        ("*.{csv,txt}", "has a '{'"),
        ("a\\*", "has a '\\\\'"),
        ("/a", "empty segment"),
        ("a/", "empty segment"),
        ("a//b", "empty segment"),
        ("a**", "within a segment"),
        ("a/b**c/d", "within a segment"),
        ("***", "within a segment"),
    ],
)
def test_a_malformed_pattern_is_refused_everywhere(pattern, why):
    for use in (check, literal_prefix, lambda p: matches(p, "k"), lambda p: overlaps("k", p)):
        with pytest.raises(PatternError, match=re.escape(why)):
            use(pattern)


@pytest.mark.parametrize(
    ("a", "b", "key"),
    [
        ("sftp/alpha/*.csv", "sftp/**", "sftp/alpha/.csv"),
        ("*a", "b*", "ba"),
        ("**/x", "x/**", "x/x"),
        ("?", "a", "a"),
        ("*", "**", "a"),
    ],
)
def test_the_key_that_both_take_is_a_shortest_one(a, b, key):
    assert common_key(a, b) == common_key(b, a) == key


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("sftp/alpha/**", "sftp/beta/**"),
        ("*.csv", "*.txt"),
        ("a/*", "a/*/*"),
        ("sdk/**", "sdk"),
        ("?", "??"),
        ("a*", "b*"),
    ],
)
def test_patterns_that_do_not_overlap(a, b):
    assert not overlaps(a, b)
    assert not overlaps(b, a)


def test_a_hostile_pattern_costs_no_more_than_an_honest_one():
    """A backtracking matcher would not finish on these."""
    assert not matches("*a" * 40 + "b", "a" * 1024)
    assert not overlaps("**/" * 20 + "b", "**/" * 20 + "c")


# --- Against brute force -------------------------------------------------------------------------

segment = st.one_of(st.just("**"), st.text("ab*?", min_size=1, max_size=3).filter(lambda s: "**" not in s))
patterns = st.lists(segment, min_size=1, max_size=3).map("/".join)

#: `c` is in no pattern: it stands for every other character.
SHORT_KEYS = ["".join(k) for length in range(1, 6) for k in itertools.product("abc/", repeat=length)]


def by_regex(pattern: str) -> re.Pattern[str]:
    """The same language as a regular expression."""
    text = re.escape(pattern).replace(r"\?", "?").replace(r"\*", "*")
    if text == "**":
        return re.compile(".*", re.DOTALL)
    text = re.sub(r"/\*\*$", "/\0", text)
    text = re.sub(r"(^|/)\*\*(?=/)", "\\1\1", text).replace("\1/", "\1")
    text = text.replace("*", "[^/]*").replace("?", "[^/]").replace("\1", "(?:[^/]*/)*").replace("\0", ".*")
    return re.compile(text, re.DOTALL)


@given(patterns, st.text("abc/", min_size=1, max_size=8))
@example("**/**/a", "a")
def test_matching_agrees_with_regular_expressions(pattern, key):
    assert matches(pattern, key) == bool(by_regex(pattern).fullmatch(key))


@given(patterns, patterns)
@example("**", "**")
@example("*", "*")
def test_overlap_is_exact(a, b):
    found = common_key(a, b)
    left, right = by_regex(a), by_regex(b)
    shared = next((key for key in SHORT_KEYS if left.fullmatch(key) and right.fullmatch(key)), None)
    if found is None:
        assert shared is None
    else:
        assert matches(a, found)
        assert matches(b, found)
        assert shared is None or len(shared) == len(found)
        assert shared is not None or len(found) > 5


@given(patterns, st.text("abc/", min_size=1, max_size=8))
def test_no_key_outside_the_literal_prefix_is_taken(pattern, key):
    assume(matches(pattern, key))
    assert key.startswith(literal_prefix(pattern))
