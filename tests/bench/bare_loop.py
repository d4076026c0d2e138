"""A program that registers another one's resources and computes nothing: the baseline of `bench_program`.

It is run in place of the other program, by its path, and makes what `prepare` was given.
"""

from __future__ import annotations

import gc
import importlib
import json
import re
from typing import Any

import pulumi
import pulumi_aws as aws

from local import program

_plan: list[tuple[program.Resource, type[pulumi.CustomResource] | None, dict[str, Any]]] = []


def prepare(graph: program.Graph) -> None:
    """Keep a graph, whose resources are to be made."""
    _plan[:] = [
        (
            each,
            _class_of(each.type) if each.type.startswith("aws:") else None,
            {
                _snake(name) if each.type.startswith("aws:") else name: value
                for name, value in each.inputs.items()
            },
        )
        for each in graph.resources
    ]


def differences(graph: program.Graph) -> list[str]:
    """Return the URNs of the resources that differ between this graph and the prepared one."""
    planned = {each.urn: _described(each) for each, _, _ in _plan}
    made = {each.urn: _described(each) for each in graph.resources}
    return sorted(urn for urn in planned.keys() | made.keys() if planned.get(urn) != made.get(urn))


def play() -> None:
    """Register all resources in their order, each with its dependencies."""
    gc.disable()  # as the program does
    made: dict[str, Any] = {}
    providers: list[pulumi.ProviderResource] = []
    for each, of_class, inputs in _plan:
        parent = made.get(each.parent)
        opts = pulumi.ResourceOptions(
            parent=parent,
            providers=None if parent else providers,  # the rest inherit it
            depends_on=[made[urn] for urn in each.depends_on],
            protect=each.protect,
            retain_on_delete=each.retain_on_delete,
            ignore_changes=list(each.ignore_changes),
            additional_secret_outputs=None if of_class else list(each.secret_outputs),  # classes know theirs
        )
        if of_class:
            made[each.urn] = of_class(each.name, opts=opts, **inputs)
        elif each.custom:
            providers.append(pulumi.ProviderResource("aws", each.name, inputs, opts))
            # Asks as the program does. If nothing had to be waited for before the end, the SDK would wait
            # for all outputs together then, over and over again.
            aws.route53.get_zone(zone_id="Z", opts=pulumi.InvokeOptions(provider=providers[0]))
        else:
            made[each.urn] = pulumi.ComponentResource(each.type, each.name, None, opts)
            made[each.urn].register_outputs({})


def _described(resource: program.Resource) -> dict[str, Any]:
    """Return everything known of a resource, as values that can be compared."""
    return vars(resource) | {
        "inputs": json.dumps(resource.inputs, sort_keys=True, default=vars),  # archives
        "depends_on": set(resource.depends_on),
        "property_dependencies": {},  # ready-made values come from nowhere
    }


def _class_of(token: str) -> type[pulumi.CustomResource]:
    """Return the class of a type: `aws:s3/bucket:Bucket` is `pulumi_aws.s3.Bucket`."""
    _, module, name = token.split(":")
    area = module.partition("/")[0]
    return getattr(importlib.import_module(f"pulumi_aws.{area}{'_' if area == 'lambda' else ''}"), name)


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", lambda found: f"_{found[1].lower()}", name)


if __name__ == "<run_path>":
    from tests.bench import bare_loop

    bare_loop.play()
