"""Edits of answers: what boto3 reads and AWS's other SDKs do not, fields that were lost, AWS's words.

The AWS provider of Pulumi and Terraform compares every field that it reads with what the program wants, and
AWS's SDK for Go takes no text where the service's model says number.
"""

from __future__ import annotations

from local.aws.ministack.patching import Edit

_EC2 = "services.ec2"
_STATES = "services.stepfunctions"
_SQS = "services.sqs"
_SNS = "services.sns"

ANSWER_EDITS = [
    Edit(
        name="flow log",
        why="role, interval, format and log group were lost",
        module=_EC2,
        old='            "FlowLogStatus": "ACTIVE",\n            "CreationTime": _now_ts(),\n',
        new='            "FlowLogStatus": "ACTIVE",\n            "CreationTime": _now_ts(),\n'
        '            "MftGiven": _mft_flow_log(params),\n',
    ),
    Edit(
        name="flow log described",
        why="as above",
        module=_EC2,
        old="            <creationTime>{fl['CreationTime']}</creationTime>\n",
        new="            <creationTime>{fl['CreationTime']}</creationTime>{_mft_flow_log_xml(fl)}\n",
    ),
    Edit(
        name="tags of a flow log",
        why="the type of a flow log in a TagSpecification is vpc-flow-log",
        module=_EC2,
        old='        _parse_tag_specs(params, "flow-log", fl_id)\n',
        new='        _parse_tag_specs(params, "vpc-flow-log", fl_id)\n',
    ),
    Edit(
        name="VPC endpoint",
        why="security groups, private DNS and policy were lost",
        module=_EC2,
        old='        "SubnetIds": _parse_member_list(p, "SubnetId"),\n        "OwnerId": get_account_id(),\n'
        '    }\n    _parse_tag_specs(p, "vpc-endpoint"',
        new='        "SubnetIds": _parse_member_list(p, "SubnetId"),\n        "OwnerId": get_account_id(),\n'
        '        **_mft_endpoint(p),\n    }\n    _parse_tag_specs(p, "vpc-endpoint"',
    ),
    Edit(
        name="VPC endpoint described",
        why="as above",
        module=_EC2,
        old="        <subnetIdSet>{subnet_ids}</subnetIdSet>\n        {_tag_set_xml(ep['VpcEndpointId'])}\n",
        new="        <subnetIdSet>{subnet_ids}</subnetIdSet>{_mft_endpoint_xml(ep)}\n"
        "        {_tag_set_xml(ep['VpcEndpointId'])}\n",
    ),
    Edit(
        name="addresses of a new NAT gateway",
        why="they were lost, and the provider asks for the primary one",
        module=_EC2,
        old="        <natGatewayAddressSet/>\n        {_tag_set_xml(nat_id)}\n",
        new="        {_mft_nat_addresses(record)}\n        {_tag_set_xml(nat_id)}\n",
    ),
    Edit(
        name="addresses of a NAT gateway",
        why="as above",
        module=_EC2,
        old="            <natGatewayAddressSet/>\n            {_tag_set_xml(nat['NatGatewayId'])}\n",
        new="            {_mft_nat_addresses(nat)}\n            {_tag_set_xml(nat['NatGatewayId'])}\n",
    ),
    Edit(
        name="tracing of a new state machine",
        why="it was lost",
        module=_STATES,
        old='        "status": "ACTIVE",\n        "loggingConfiguration": data.get(\n',
        new='        "status": "ACTIVE",\n        "tracingConfiguration": data.get("tracingConfiguration", '
        '{"enabled": False}),\n        "loggingConfiguration": data.get(\n',
    ),
    Edit(
        name="tracing of a state machine",
        why="it was lost",
        module=_STATES,
        old='        sm["roleArn"] = data["roleArn"]\n    if "loggingConfiguration" in data:\n',
        new='        sm["roleArn"] = data["roleArn"]\n    if "tracingConfiguration" in data:\n'
        '        sm["tracingConfiguration"] = data["tracingConfiguration"]\n'
        '    if "loggingConfiguration" in data:\n',
    ),
    Edit(
        name="redrive policy of a new queue",
        why="SQS answers with compact JSON, however it was sent",
        module=_SQS,
        old='    for k, v in attrs.items():\n        q["attributes"][k] = str(v)\n',
        new='    for k, v in attrs.items():\n        q["attributes"][k] = _mft_attribute(k, v)\n',
    ),
    Edit(
        name="redrive policy of a queue",
        why="as above",
        module=_SQS,
        old='        else:\n            q["attributes"][k] = str(v)\n',
        new='        else:\n            q["attributes"][k] = _mft_attribute(k, v)\n',
    ),
    Edit(
        name="queue of another account",
        why="its owner has to confirm a subscription that it did not make itself",
        module=_SNS,
        old='    needs_confirmation = protocol in ("http", "https")\n',
        new='    needs_confirmation = protocol in ("http", "https") or (\n'
        '        protocol == "sqs" and endpoint.split(":")[4] != get_account_id())\n',
    ),
    Edit(
        name="confirmation request",
        why="that of a queue is a message, which nobody here reads",
        module=_SNS,
        old="    if needs_confirmation:\n        asyncio.ensure_future",
        new='    if needs_confirmation and protocol != "sqs":\n        asyncio.ensure_future',
    ),
    Edit(
        name="ReturnSubscriptionArn",
        why="with it, SNS returns the ARN of a subscription that is pending too",
        module=_SNS,
        old='    result_arn = "pending confirmation" if needs_confirmation else sub_arn\n',
        new='    is_asked = (_p(params, "ReturnSubscriptionArn") or "").lower() == "true"\n'
        '    result_arn = "pending confirmation" if needs_confirmation and not is_asked else sub_arn\n',
    ),
    Edit(
        name="bucket with versions",
        why="S3 says what is in a bucket that has versions",
        module="services.s3",
        old='            "The bucket you tried to delete is not empty",\n',
        new='            "The bucket you tried to delete is not empty"\n'
        '            + (". You must delete all versions in the bucket."'
        ' if _bucket_has_versions(name) else ""),\n',
    ),
    Edit(
        name="listed versions of any name",
        why="a name with a control character made the answer unreadable: EncodingType was ignored",
        module="services.s3",
        old='        SubElement(root, "NextVersionIdMarker").text = next_version_id_marker or "null"\n',
        new="""        SubElement(root, "NextVersionIdMarker").text = next_version_id_marker or "null"
    if _qp(query_params, "encoding-type", "") == "url":
        SubElement(root, "EncodingType").text = "url"
        for each in root.iter():
            if each.tag in ("Key", "Prefix", "Delimiter", "KeyMarker", "NextKeyMarker") and each.text:
                each.text = _url_encode(each.text)
""",
    ),
]
