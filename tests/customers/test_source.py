"""The two parsers agree: a text without faults for the exact one is the same data for the fast one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from customers import source

pytestmark = pytest.mark.skipif(
    not yaml.__with_libyaml__, reason="PyYAML is installed without libyaml: there is one parser"
)
SAMPLES = sorted((Path(__file__).resolve().parents[2] / "customers").glob("*.yaml"))
scalars = st.one_of(
    st.sampled_from(
        ["", "~", "no", "12", "'12'", '"a"', "2026-01-31", "a: b", "a:b", "#x", "x #y", "*a", "&a x"]
    ),
    st.text(alphabet="ab1:-#[]{},'\"&*!|>%@` ", max_size=8),
)
lines = st.lists(
    st.builds(
        lambda indent, key, value: f"{' ' * indent}{key}: {value}",
        st.sampled_from([0, 0, 2, 4]),
        st.sampled_from(["id", "name", "- id", "routes", "'q'"]),
        scalars,
    ),
    max_size=6,
)


@pytest.mark.skipif(
    not yaml.__with_libyaml__, reason="PyYAML is installed without libyaml: there is one parser"
)
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_of_the_samples(path: Path) -> None:
    text = path.read_text()
    assert source._read(text, source._FastLoader) == source._read(text, source._Loader)


@pytest.mark.skipif(
    not yaml.__with_libyaml__, reason="PyYAML is installed without libyaml: there is one parser"
)
@given(lines.map("\n".join))
@example("a: |\n  text\n  more\nb: >-\n  folded\n")
@example("a: 1\n---\nb: 2\n")
def test_of_anything_that_is_sound(text: str) -> None:
    exact = source._read(text, source._Loader)
    if not exact.faults:
        assert source._read(text, source._FastLoader) == exact
