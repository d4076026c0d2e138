"""The control plane of Transfer Family: servers, users, their keys, and host keys, as the API describes them.

MiniStack keeps a third of a server's fields and has no host keys. The endpoint that clients log in to is
local (`local.sftp.endpoint`) and reads its settings from here.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from local.aws.ministack.patching import Module, after, original

_CHANGE = "Transfer Family"
_SERVER = (
    *("EndpointType", "Protocols", "SecurityPolicyName", "LoggingRole", "StructuredLogDestinations"),
    *("ProtocolDetails", "S3StorageOptions", "IdentityProviderDetails", "WorkflowDetails", "Certificate"),
    *("PreAuthenticationLoginBanner", "PostAuthenticationLoginBanner"),
)
_USER = ("HomeDirectory", "HomeDirectoryType", "HomeDirectoryMappings", "Role", "Policy", "PosixProfile")
_HOST_KEY = ("Arn", "HostKeyId", "Description", "Type", "DateImported")
_DEFAULTS = {
    "SecurityPolicyName": "TransferSecurityPolicy-2018-11",
    "ProtocolDetails": {
        "PassiveIp": "AUTO",
        "TlsSessionResumptionMode": "ENFORCED",
        "SetStatOption": "DEFAULT",
    },
    "S3StorageOptions": {"DirectoryListingOptimization": "DISABLED"},
    "StructuredLogDestinations": [],
}


class TransferRefusedError(Exception):
    """Transfer Family refuses a request; the arguments are the code and the message of its error."""


def _host_key(
    server: dict[str, Any], body: str | None, algorithm: str = "", more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return a host key of `server`, from the text of a private key or generated; the text is not kept."""
    import asyncssh
    from ministack.core.responses import new_uuid

    if body is None:
        key = asyncssh.generate_private_key(algorithm)
    else:
        try:
            key = asyncssh.import_private_key(body)
        except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
            raise TransferRefusedError("InvalidRequestException", "Unsupported or invalid host key") from None
        # The API reference makes RSA and ECDSA keys with `-m PEM`. AWS's words for OpenSSH's own form:
        # https://github.com/hashicorp/terraform-provider-aws/pull/15392
        if body.startswith("-----BEGIN OPENSSH") and key.get_algorithm() != "ssh-ed25519":
            raise TransferRefusedError("InvalidRequestException", "Invalid host key format")
    key_id = "hostkey-" + new_uuid().replace("-", "")[:17]
    return {
        "Arn": server["Arn"].replace(":server/", ":host-key/") + f"/{key_id}",
        "HostKeyId": key_id,
        "Fingerprint": key.get_fingerprint(),
        "Type": key.get_algorithm(),
        "DateImported": int(time.time()),
        "Tags": [],
    } | {name: value for name, value in (more or {}).items() if value}


class Control:
    """The actions of the API that MiniStack does not have, or has only in part."""

    def __init__(self, module: Module) -> None:
        for name in ("_servers", "_users", "_user_key", "_error"):
            original(_CHANGE, module, name)
        self.module = module
        self.base = {
            n: original(_CHANGE, module, n) for n in ("_create_server", "_describe_server", "_create_user")
        }
        self.base["_describe_user"] = original(_CHANGE, module, "_describe_user")

    # --- servers -----------------------------------------------------------------------------------

    def server(self, data: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] | None = self.module._servers.get(data.get("ServerId", ""))
        if found is None:
            raise TransferRefusedError(
                "ResourceNotFoundException", f"Unknown server: {data.get('ServerId', '')}"
            )
        return found

    def _settle(self, server: dict[str, Any], data: dict[str, Any]) -> None:
        """Store the given fields; a given host key replaces the keys that were generated."""
        if data.get("HostKey"):
            server["HostKeys"] = [_host_key(server, data["HostKey"])]
        server.update({name: data[name] for name in _SERVER if name in data})
        if data.get("EndpointDetails"):
            details = server.setdefault("EndpointDetails", {})
            details.update(data["EndpointDetails"])
            if server["EndpointType"] == "VPC":
                details.setdefault("VpcEndpointId", "vpce-" + server["ServerId"].removeprefix("s-"))

    async def create_server(self, data: dict[str, Any]) -> Any:
        answer = await self.base["_create_server"](data)
        server = self.server(json.loads(answer[2]))
        server.update(_DEFAULTS)
        try:
            self._settle(server, data)
        except TransferRefusedError:
            del self.module._servers[server["ServerId"]]
            raise
        if "HostKeys" not in server:
            kinds = ("ecdsa-sha2-nistp256", "ssh-ed25519")  # AWS makes an RSA key too, which is slow here
            server["HostKeys"] = [_host_key(server, None, kind) for kind in kinds]
        return answer

    def update_server(self, data: dict[str, Any]) -> dict[str, Any]:
        self._settle(self.server(data), data)
        return {"ServerId": data["ServerId"]}

    def describe_server(self, data: dict[str, Any]) -> Any:
        server = self.server(data)
        described = json.loads(self.base["_describe_server"](data)[2])["Server"]
        described |= {name: server[name] for name in (*_SERVER, "EndpointDetails") if name in server}
        oldest: dict[str, Any] = next(iter(server["HostKeys"]), {})
        return {"Server": described | {"HostKeyFingerprint": oldest.get("Fingerprint", "")}}

    # --- host keys ---------------------------------------------------------------------------------

    def import_host_key(self, data: dict[str, Any]) -> dict[str, Any]:
        server = self.server(data)
        more = {name: data.get(name) for name in ("Description", "Tags")}
        server["HostKeys"].append(_host_key(server, data.get("HostKeyBody", ""), more=more))
        return {"ServerId": data["ServerId"], "HostKeyId": server["HostKeys"][-1]["HostKeyId"]}

    def host_key(self, data: dict[str, Any]) -> dict[str, Any]:
        keys: list[dict[str, Any]] = self.server(data)["HostKeys"]
        for key in keys:
            if key["HostKeyId"] == data.get("HostKeyId"):
                return key
        raise TransferRefusedError("ResourceNotFoundException", f"Unknown host key: {data.get('HostKeyId')}")

    def describe_host_key(self, data: dict[str, Any]) -> dict[str, Any]:
        key = self.host_key(data)
        shown = {name: key[name] for name in (*_HOST_KEY, "Tags") if name in key}
        return {"HostKey": shown | {"HostKeyFingerprint": key["Fingerprint"]}}

    def list_host_keys(self, data: dict[str, Any]) -> dict[str, Any]:
        keys = self.server(data)["HostKeys"]
        shown = [{n: key[n] for n in (*_HOST_KEY, "Fingerprint") if n in key} for key in keys]
        return {"ServerId": data["ServerId"], "HostKeys": shown}

    def delete_host_key(self, data: dict[str, Any]) -> dict[str, Any]:
        self.server(data)["HostKeys"].remove(self.host_key(data))
        return {}

    # --- users and tags ----------------------------------------------------------------------------

    def user(self, data: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] | None = self.module._users.get(
            self.module._user_key(data.get("ServerId", ""), data.get("UserName", ""))
        )
        if found is None:
            raise TransferRefusedError(
                "ResourceNotFoundException", f"Unknown user: {data.get('UserName', '')}"
            )
        return found

    def create_user(self, data: dict[str, Any]) -> Any:
        answer = self.base["_create_user"](data)
        if answer[0] == 200:
            self.user(data).update({name: data[name] for name in _USER if name in data})
        return answer

    def update_user(self, data: dict[str, Any]) -> dict[str, Any]:
        self.user(data).update({name: data[name] for name in _USER if name in data})
        return {"ServerId": data["ServerId"], "UserName": data["UserName"]}

    def describe_user(self, data: dict[str, Any]) -> dict[str, Any]:
        user = self.user(data)
        described: dict[str, Any] = json.loads(self.base["_describe_user"](data)[2])
        described["User"] |= {name: user[name] for name in _USER if user.get(name)}
        return described

    def tagged(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the server, user or host key that has an ARN."""
        servers: list[dict[str, Any]] = list(self.module._servers.values())
        users: list[dict[str, Any]] = list(self.module._users.values())
        keys: list[dict[str, Any]] = [key for server in servers for key in server["HostKeys"]]
        for thing in (*servers, *users, *keys):
            if thing["Arn"] == data.get("Arn"):
                return thing
        raise TransferRefusedError("ResourceNotFoundException", f"Unknown resource: {data.get('Arn')}")

    def tag_resource(self, data: dict[str, Any]) -> dict[str, Any]:
        thing, given = self.tagged(data), {tag["Key"] for tag in data["Tags"]}
        thing["Tags"] = [tag for tag in thing["Tags"] if tag["Key"] not in given] + data["Tags"]
        return {}

    def untag_resource(self, data: dict[str, Any]) -> dict[str, Any]:
        thing = self.tagged(data)
        thing["Tags"] = [tag for tag in thing["Tags"] if tag["Key"] not in data["TagKeys"]]
        return {}

    def list_tags(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"Arn": data["Arn"], "Tags": self.tagged(data)["Tags"]}


@after("services.transfer")
def _extend(module: Module) -> None:
    control, handle = Control(module), original(_CHANGE, module, "handle_request")
    actions: dict[str, Callable[[dict[str, Any]], Any]] = {
        "UpdateServer": control.update_server,
        "DescribeServer": control.describe_server,
        "ImportHostKey": control.import_host_key,
        "DescribeHostKey": control.describe_host_key,
        "ListHostKeys": control.list_host_keys,
        "DeleteHostKey": control.delete_host_key,
        "UpdateUser": control.update_user,
        "DescribeUser": control.describe_user,
        "TagResource": control.tag_resource,
        "UntagResource": control.untag_resource,
        "ListTagsForResource": control.list_tags,
    }
    original(_CHANGE, module, "now_iso")
    module.now_iso = lambda: int(time.time())  # DateImported is a number, which boto3 does not insist on
    module._create_server, module._create_user = control.create_server, control.create_user

    async def handle_request(
        method: str, path: str, headers: dict[str, str], body: bytes, query: dict[str, Any]
    ) -> Any:
        action = actions.get(headers.get("x-amz-target", "").rpartition(".")[2])
        try:
            if action is None:
                return await handle(method, path, headers, body, query)
            return (
                200,
                {"Content-Type": "application/x-amz-json-1.1"},
                json.dumps(action(json.loads(body))).encode(),
            )
        except TransferRefusedError as refused:
            return module._error(*refused.args, 400)

    module.handle_request = handle_request
