"""A second pair of cells in a world: the same account, regions, zone, registry and external parties."""

from __future__ import annotations

from collections.abc import Mapping

from customers.service_quotas import ADDRESSES, ADDRESSES_OF_CELL
from local.dns.resolver import Resolver
from local.loopback import NEIGHBOURS, free_port
from local.program import Graph
from local.world import World
from runtime.contract import REGION_OF


class NeighbourCells(World):
    """The cells with another number, beside those of a world that runs. It ends with that world."""

    addresses: Mapping[str, str] = NEIGHBOURS

    def __init__(self, world: World, cell: str) -> None:
        """Add the stack files of a cell to the project of a world, and raise the account's quotas."""
        self._beside, self._number = world, cell
        self.suffix = f"-{cell}"
        super().__init__(world.registry_folder, root=world.root, sftp_port=world.sftp_port)
        free_port(world.sftp_port, self.addresses)
        self.folder, self.aws, self.external_parties = world.folder, world.aws, world.external_parties
        self.share_keys(world)
        for region in REGION_OF.values():
            self.aws.service_quota(region, ADDRESSES.code, 2 * ADDRESSES_OF_CELL)
        self._found()
        world.beside.append(self)

    def __exit__(self, *_: object) -> None:
        for endpoint in self.endpoints.values():
            endpoint.stop()

    def up(self, side: str, *, peer: str = "present") -> Graph:
        """Run the program of one stack on the current registry; its addresses are known to the zone."""
        graph = super().up(side, peer=peer)
        self._beside.loopback |= self.loopback
        return graph

    def serve_names(self) -> Resolver:
        """Return a resolver for one client, its cache empty: the zone's name server is that of the world."""
        resolver = self._beside.serve_names()
        self.dns = self._beside.dns
        return resolver

    def stop(self, side: str) -> None:
        """Let the cell of a side die, and nothing else of its region: its endpoint and its functions."""
        self.endpoints[side].stop()
        for name in self._functions(side):
            self.client("lambda", side).put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=0
            )

    def start(self, side: str) -> None:
        """Bring a cell back that died."""
        for name, reserved in self._functions(side).items():
            self.client("lambda", side).put_function_concurrency(
                FunctionName=name, ReservedConcurrentExecutions=reserved
            )
        self.endpoints[side].start()

    def _functions(self, side: str) -> dict[str, int]:
        """Return how many of each function may run at once, by the names of a cell's functions."""
        return {
            each.outputs["name"]: int(each.inputs["reservedConcurrentExecutions"])
            for each in self.graphs[side].of("aws:lambda/function:Function")
        }

    def _settings(self, side: str) -> dict[str, str]:
        return {**self._beside.config[side], "mft:cell": self._number}
