"""The page about resources: what protects them, what replaces them, and what goes with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from local.preview.replacement import LOSES, REPLACES
from local.program import Graph, Resource
from tests.pages.blast_radius import BlastRadius
from tests.pages.markdown import WRITTEN, code, listed, table
from tests.pages.outages import OUTAGES

_HEAD = f"""{WRITTEN}
# Resources and their blast radius

What a stack consists of, by component; what a change takes along; and what customers notice while a part
is missing. It is computed from the recorded graph of the western stack with the sample registry, so
numbers of customers' resources are those of the sample. What each kind of update does is in
[updates](updates.md), and what a pull request would do to a deployed environment in its
[plan](pipelines.md#the-comment).

## How to read the tables

- **Replaced when** names the inputs that AWS cannot change in place. Pulumi then makes a new resource and
  deletes the old one. A change of any other input is made in place.
- **Takes along** counts what is replaced because it names the resource, and **changes** what is changed
  in place for that reason.
- **Protected**: Pulumi refuses a preview that would delete or replace it. [All of
  them](#protected-resources) are below, and [a test](upgrade.md#protected-resources) keeps them.
- **Lost for good** is what a new resource does not bring back.

Each region has resources of its own, and of the tracker's table a replica of its own: what is missing in
one region, the other serves, and DNS moves there by [evacuation](failover.md). "Nothing" in the sentences
below means nothing as long as the rest works.
"""

_PROTECTED = """
## Protected resources

By component, type and name. `<customer>` stands for each customer in service. How one of them is given up
on purpose is in [upgrade and rollback](upgrade.md#protected-resources).
"""


def resources_page(graph: Graph) -> str:
    """Return the page as Markdown; KeyError for a component of which nobody has said what its loss means."""
    radius = BlastRadius(graph)
    made = [each for each in graph.resources if each.custom and not each.type.startswith("pulumi:")]
    made.sort(key=lambda each: (radius.component(each), each.type, each.name))
    parts = [_HEAD]
    for component, own in groupby(made, key=radius.component):
        outage = OUTAGES[component]
        parts.append(
            f"\n## {component.rpartition(':')[2]}\n\n{outage.is_}. **Without it**: {outage.without}.\n\n"
        )
        parts.append(
            table(HEAD, (_row(radius, [*same]) for _, same in groupby(own, key=lambda one: one.type)))
        )
    parts.append(f"{_PROTECTED}\n{table(('component', 'type', 'names'), protected(radius, made))}")
    return "".join(parts)


HEAD = ("type", "number", "protected", "replaced when", "takes along", "changes", "lost for good")


def protected(radius: BlastRadius, made: Iterable[Resource]) -> Iterator[tuple[str, str, str]]:
    """Yield the protected resources: component, type, and names."""
    kept = [each for each in made if each.protect]
    for (component, type), same in groupby(kept, key=lambda each: (radius.component(each), each.type)):
        names = dict.fromkeys(_of_any_customer(component, each.name) for each in same)
        yield component.rpartition(":")[2], _short(type), listed(names)


def _of_any_customer(component: str, name: str) -> str:
    if component != "mft:tenant:Tenant":
        return name
    _, dash, rest = name.partition("-")
    return f"<customer>{dash}{rest}"


def _row(radius: BlastRadius, same: Sequence[Resource]) -> tuple[str, ...]:
    kept = sum(each.protect for each in same)
    type = same[0].type
    return (
        _short(type),
        str(len(same)),
        "" if not kept else "yes" if kept == len(same) else f"{kept} of {len(same)}",
        listed(REPLACES[type], none="never"),
        _counted(radius.replaced_with(each) for each in same),
        _counted(radius.changed_with(each) for each in same),
        LOSES.get(type, ""),
    )


def _counted(each_of: Iterable[Counter[str]]) -> str:
    """Return what goes with one of some resources: of each type the most that one of them takes along."""
    most = Counter[str]()
    for counts in each_of:
        most |= counts
    return ", ".join(f"{count} {_short(type)}" for type, count in sorted(most.items()))


def _short(type: str) -> str:
    return code(type.rpartition(":")[2])
