"""The resources that `ops check` counts are those that the program makes in both stacks."""

from __future__ import annotations

from customers.quota import RECORDS_OF_ZONE, needs
from customers.registry import load
from local import program


def test_the_counted_needs_are_those_of_the_graphs(graphs) -> None:
    def made(type: str) -> int:
        return sum(len(graph.of(type)) for graph in graphs.values())

    needed = needs(load(program.ROOT / "customers").customers)
    assert made("aws:route53/healthCheck:HealthCheck") == needed.health_checks
    assert made("aws:route53/record:Record") + RECORDS_OF_ZONE == needed.records
    # A bucket for the switch is counted in each region, but exists only if the switch is an object.
    assert needed.buckets - 2 * len(graphs) <= made("aws:s3/bucket:Bucket") <= needed.buckets
