"""The emulated AWS: MiniStack, pinned, started in GovCloud's partition with its gaps closed.

`python -m local.aws.ministack` is one child process of `local.aws.emulator`. `patching` loads MiniStack with
its source edited or its functions replaced and refuses to start when the ground has moved; `edits`,
`states`, `replication`, `tables`, `transfer`, `events` and `replay` say what is changed and why.
"""

#: The services that the platform uses, by MiniStack's names; nothing else of it answers.
SERVICES = (
    *("dynamodb", "dynamodbstreams", "ec2", "events", "iam", "kms", "lambda", "lambda-core", "logs"),
    *("monitoring", "route53", "s3", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "states"),
    *("sts", "tagging", "transfer"),
)
