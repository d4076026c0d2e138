"""The emulated AWS: MiniStack, pinned, in GovCloud's partition and with its gaps closed.

`python -m local.aws.ministack` is the child process of `local.aws.emulator`. `patching` loads MiniStack with
its source edited and functions replaced, and refuses to start if a change no longer fits. The other modules
say what is changed and why.
"""

#: The services that the platform uses, by MiniStack's names; its other services do not answer.
SERVICES = (
    *("dynamodb", "dynamodbstreams", "ec2", "events", "iam", "kms", "lambda", "lambda-core", "logs"),
    *("monitoring", "route53", "s3", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "states"),
    *("sts", "tagging", "transfer"),
)
