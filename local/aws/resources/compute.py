"""Roles, functions, logs and the state machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.aws.resources.making import Clients, Made


def _role(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    name = inputs["name"]
    made = clients("iam").create_role(RoleName=name, AssumeRolePolicyDocument=inputs["assumeRolePolicy"])[
        "Role"
    ]
    return name, {"arn": made["Arn"], "name": name}


def _role_policy(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("iam").put_role_policy(
        RoleName=inputs["role"], PolicyName="allowed", PolicyDocument=inputs["policy"]
    )
    return f"{inputs['role']}:allowed", {}


def _log_group(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    logs, name = clients("logs"), inputs["name"]
    logs.create_log_group(logGroupName=name)
    logs.put_retention_policy(logGroupName=name, retentionInDays=int(inputs["retentionInDays"]))
    region, account = logs.meta.region_name, clients.account
    return name, {"arn": f"arn:{logs.meta.partition}:logs:{region}:{account}:log-group:{name}", "name": name}


def _function(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("lambda").create_function(
        FunctionName=inputs["name"],
        Runtime=inputs["runtime"],
        Role=inputs["role"],
        Handler=inputs["handler"],
        Code={"ZipFile": Path(inputs["code"].path).read_bytes()},
        Timeout=int(inputs["timeout"]),
        MemorySize=int(inputs["memorySize"]),
        Publish=bool(inputs.get("publish")),
        Environment={"Variables": inputs["environment"]["variables"]},
        KMSKeyArn=inputs["kmsKeyArn"],
        LoggingConfig={
            "LogFormat": inputs["loggingConfig"]["logFormat"],
            "LogGroup": inputs["loggingConfig"]["logGroup"],
        },
    )
    name, arn = made["FunctionName"], made["FunctionArn"]
    clients("lambda").put_function_concurrency(
        FunctionName=name, ReservedConcurrentExecutions=int(inputs["reservedConcurrentExecutions"])
    )
    return name, {"arn": arn, "name": name, "qualifiedArn": f"{arn}:{made['Version']}"}


def _permission(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    clients("lambda").add_permission(
        FunctionName=inputs["function"],
        StatementId=inputs["name"],
        Action=inputs["action"],
        Principal=inputs["principal"],
        SourceArn=inputs["sourceArn"],
    )
    return inputs["name"], {}


def _event_source(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("lambda").create_event_source_mapping(
        EventSourceArn=inputs["eventSourceArn"],
        FunctionName=inputs["functionName"],
        BatchSize=int(inputs["batchSize"]),
        FunctionResponseTypes=inputs["functionResponseTypes"],
        ScalingConfig={"MaximumConcurrency": int(inputs["scalingConfig"]["maximumConcurrency"])},
    )
    return made["UUID"], {"uuid": made["UUID"]}


def _state_machine(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    made = clients("stepfunctions").create_state_machine(
        name=inputs["name"],
        definition=inputs["definition"],
        roleArn=inputs["roleArn"],
        type=inputs["type"],
        loggingConfiguration={
            "level": inputs["loggingConfiguration"]["level"],
            "includeExecutionData": inputs["loggingConfiguration"]["includeExecutionData"],
            "destinations": [
                {"cloudWatchLogsLogGroup": {"logGroupArn": inputs["loggingConfiguration"]["logDestination"]}}
            ],
        },
        tracingConfiguration={"enabled": inputs["tracingConfiguration"]["enabled"]},
    )
    return made["stateMachineArn"], {"arn": made["stateMachineArn"]}


def _event_invoke(clients: Clients, inputs: Mapping[str, Any]) -> Made:
    name, destination = inputs["functionName"], inputs["destinationConfig"]["onFailure"]["destination"]
    clients("lambda").put_function_event_invoke_config(
        FunctionName=name,
        MaximumEventAgeInSeconds=int(inputs["maximumEventAgeInSeconds"]),
        MaximumRetryAttempts=int(inputs["maximumRetryAttempts"]),
        DestinationConfig={"OnFailure": {"Destination": destination}},
    )
    return name, {}


MAKERS = {
    "aws:iam/role:Role": _role,
    "aws:iam/rolePolicy:RolePolicy": _role_policy,
    "aws:cloudwatch/logGroup:LogGroup": _log_group,
    "aws:lambda/function:Function": _function,
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": _event_invoke,
    "aws:lambda/permission:Permission": _permission,
    "aws:lambda/eventSourceMapping:EventSourceMapping": _event_source,
    "aws:sfn/stateMachine:StateMachine": _state_machine,
}
