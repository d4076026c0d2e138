"""Runs the real `__main__.py` of a stack in this process, without the Pulumi CLI or engine.

The caller decides what becomes of each resource: tests record it, and the local world makes it in the
emulated AWS. There is no state, diff or deletion here; in real use those are Pulumi's.
"""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import runpy
import signal
import threading
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
import yaml
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime import resource as pulumi_resource
from pulumi.runtime.config import set_all_config
from pulumi.runtime.proto import provider_pb2, resource_pb2, source_pb2
from pulumi.runtime.stack import run_in_stack
from pulumi.runtime.sync_await import _ensure_event_loop, _sync_await

from local import interrupts, urns

ROOT = Path(__file__).resolve().parent.parent

# Only the engine, which is not here, shows where each resource was registered: to look that up for each of
# them takes a tenth of a run.
pulumi_resource._get_stack_trace = source_pb2.StackTrace


class ProgramError(RuntimeError):
    """The program refused to run; the message is what `pulumi up` would print."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource as the program registered it, with the id and outputs that it got.

    `inputs` have the provider's names (`bucketKeyEnabled`); `secrets` and `secret_outputs` name the inputs
    and outputs that are encrypted in a stack's state; `depends_on`, `property_dependencies`, `parent` and
    `former_urns` hold URNs.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: Mapping[str, Any]
    secrets: frozenset[str]
    secret_outputs: tuple[str, ...] = ()
    provider: str
    protect: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    depends_on: tuple[str, ...]
    property_dependencies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    replace_on_changes: tuple[str, ...] = ()
    former_urns: tuple[str, ...] = ()
    id: str = ""
    outputs: Mapping[str, Any] = field(default_factory=dict)


#: Makes a resource and returns its id and outputs.
Make = Callable[[Resource], tuple[str, Mapping[str, Any]]]

#: Answers an invoke of the program: takes a function's token (`aws:route53/getZone:getZone`) and its
#: arguments.
Ask = Callable[[str, Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Everything that one run of the program registered, and what it exported."""

    stack: str
    resources: tuple[Resource, ...]
    exports: Mapping[str, Any]

    def of(self, type: str) -> tuple[Resource, ...]:
        """Return the resources of a type, e.g. `aws:s3/bucket:Bucket`."""
        return tuple(each for each in self.resources if each.type == type)

    def one(self, type: str, name: str) -> Resource:
        """Return the resource with a type and logical name; LookupError unless there is exactly one."""
        found = [each for each in self.of(type) if each.name == name]
        if len(found) != 1:
            raise LookupError(f"{len(found)} resources are {type} {name!r}")
        return found[0]

    def below(self, parent: Resource) -> Iterator[Resource]:
        """Yield every resource that has this one as an ancestor."""
        for each in self.resources:
            if each.parent == parent.urn:
                yield each
                yield from self.below(each)


class _NoMocks(mocks.Mocks):
    """Is never called: the monitor below answers what the mocks would."""

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise AssertionError(f"the monitor answers the call of {args.token}")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise AssertionError(f"the monitor makes {args.name}")


class _Monitor(mocks.MockMonitor):
    """Stands in for the engine's resource monitor, to see what requests carry and Pulumi's mocks hide."""

    def __init__(self, make: Make, ask: Ask) -> None:
        super().__init__(mocks=_NoMocks())
        self._make, self._ask = make, ask
        self.recorded: dict[str, Resource] = {}
        self.exports: Mapping[str, Any] = {}
        self._former: dict[str, tuple[str, ...]] = {}

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        return urns.make(settings.get_stack(), settings.get_project(), parent, type_, name)

    def Invoke(self, request: Any) -> Any:
        try:
            answer = self._ask(request.tok, rpc.deserialize_properties(request.args))
        except Exception as error:  # the engine, too, passes on whatever a provider says
            failure = provider_pb2.CheckFailure(reason=str(error))
            return resource_pb2.ResourceInvokeResponse(failures=[failure])
        returned = _sync_await(rpc.serialize_properties(dict(answer), {}))
        return resource_pb2.ResourceInvokeResponse(**{"return": returned})

    def ReadResource(self, request: Any) -> Any:
        raise ProgramError(f"the program reads {request.type} {request.name}, which it does not make itself")

    def RegisterResource(self, request: Any) -> Any:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == "pulumi:pulumi:Stack":
            return resource_pb2.RegisterResourceResponse(urn=urn)
        if urn in self.recorded:
            raise ProgramError(f"two resources are {urn}")
        inputs = rpc.deserialize_properties(request.object)
        asked = {
            "urn": urn,
            "type": request.type,
            "name": request.name,
            "parent": request.parent,
            "custom": request.custom,
            "inputs": {name: rpc.unwrap_rpc_secret(value) for name, value in inputs.items()},
            "secrets": frozenset(name for name, value in inputs.items() if rpc.is_rpc_secret(value)),
            "secret_outputs": tuple(request.additionalSecretOutputs),
            "provider": request.provider,
            "protect": request.protect,
            "retain_on_delete": request.retainOnDelete,
            "ignore_changes": tuple(request.ignoreChanges),
            "depends_on": tuple(request.dependencies),
            "property_dependencies": {
                name: tuple(of.urns) for name, of in request.propertyDependencies.items() if of.urns
            },
            "replace_on_changes": tuple(request.replaceOnChanges),
            "former_urns": urns.former(request, urn, self._former.get(request.parent, ())),
        }
        self._former[urn] = asked["former_urns"]
        id, outputs = self._make(Resource(**asked)) if request.custom else ("", {})
        resource = Resource(**asked, id=id, outputs=outputs)
        self.recorded[urn] = resource
        self.resources[urn] = mocks.MockMonitor.ResourceRegistration(urn, id, dict(outputs))
        state = _sync_await(rpc.serialize_properties({**resource.inputs, **outputs}, {}))
        return resource_pb2.RegisterResourceResponse(urn=urn, id=id, object=state)

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if "pulumi:pulumi:Stack" in request.urn.split("::")[2].split("$")[-1]:
            self.exports = rpc.deserialize_properties(request.outputs)
        return super().RegisterResourceOutputs(request)  # type: ignore[no-untyped-call]  # Pulumi has no types here


def stack_config(stack: str, *, root: Path = ROOT) -> dict[str, str]:
    """Return the configuration in `Pulumi.<stack>.yaml`, as the CLI passes it to the program."""
    document = yaml.safe_load((root / f"Pulumi.{stack}.yaml").read_text())
    return {
        key: value if isinstance(value, str) else json.dumps(value)
        for key, value in document["config"].items()
    }


def run(
    stack: str,
    *,
    make: Make,
    ask: Ask,
    config: Mapping[str, str],
    secrets: Mapping[str, str],
    root: Path = ROOT,
    main: Path = ROOT / "__main__.py",
    organization: str = "organization",
) -> Graph:
    """Run the program for a stack; return what it registered. `root` is the folder that holds `customers/`;
    `organization` is what the engine gives a program, by default as for a backend without organizations.

    Raises ProgramError with the program's message when it refuses, whatever `make` raises, and
    KeyboardInterrupt for SIGINT and SIGTERM.
    """
    monitor = _Monitor(make, ask)
    settings.configure(
        mocks.MockSettings(  # type: ignore[no-untyped-call]  # Pulumi has no types here
            engine=mocks.MockEngine(logging.getLogger("pulumi")),
            monitor=monitor,
            project="mft",
            stack=stack,
            organization=organization,
            root_directory=str(root),
            dry_run=False,
        )
    )
    set_all_config({**config, **secrets}, list(secrets))
    settings.SETTINGS.rpc_manager.clear()
    settings.SETTINGS.outputs = set()

    def program() -> None:
        runpy.run_path(str(main))

    try:
        with _interrupted(run_in_stack(program)) as running:
            _sync_await(running)
    except pulumi.RunError as error:
        raise ProgramError(str(error)) from error
    finally:
        gc.enable()  # the program disables it, as if the process were its own
    return Graph(stack=stack, resources=tuple(monitor.recorded.values()), exports=monitor.exports)


@contextmanager
def _interrupted(work: Coroutine[Any, Any, None]) -> Iterator[asyncio.Task[None]]:
    """Yield a task of this work that a signal cancels; the context then raises KeyboardInterrupt.

    If KeyboardInterrupt were raised within Pulumi's SDK, the SDK would wait for all resources first, for
    ever.
    """
    loop: asyncio.AbstractEventLoop = _ensure_event_loop()  # type: ignore[no-untyped-call]  # as above
    task = loop.create_task(work)
    is_main = threading.current_thread() is threading.main_thread()
    usual = {each: signal.getsignal(each) for each in interrupts.SIGNALS if is_main}
    usual = {each: handler for each, handler in usual.items() if handler is not signal.SIG_IGN}
    is_asked = False

    def stop() -> None:
        nonlocal is_asked
        is_asked = True
        interrupts.asked()
        task.cancel()

    for each in usual:
        loop.add_signal_handler(each, stop)
    try:
        yield task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    finally:
        for each, handler in usual.items():
            loop.remove_signal_handler(each)
            signal.signal(each, handler)
        if is_asked:  # the task may have ended before it was cancelled, or with another error
            raise KeyboardInterrupt
