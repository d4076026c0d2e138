"""The closed sets of words in a customer's file. Standard library only.

Where one of these words decides, the code matches every member and ends in `assert_never`, so that the type
checker finds each place that a new member has to be added to.
"""

from __future__ import annotations

from typing import Literal

Lifecycle = Literal["onboarding", "active", "closing", "draining", "retired"]
#: How far a customer is on its way to another cell: what its stacks are to make next.
MoveStep = Literal["prepared", "opened", "switched", "drained", "abandoned"]
#: What a customer is in one cell: a stage of its lifecycle or, in the cell that it moves to, `joining`.
Stage = Literal["onboarding", "joining", "active", "closing", "draining", "retired"]
Side = Literal["east", "west"]
DestinationKind = Literal["sftp", "s3"]
ReceiptKind = Literal["sqs", "https", "email"]
#: What a route does with a file when it is unknown whether its partner has it.
OnUnknown = Literal["deliver", "hold"]
#: How a file gets its final name at a partner's SFTP server.
Publish = Literal["rename", "write"]
#: What is looked up about an upload before it gets its final name.
Verify = Literal["size", "none"]
DuplicatesPolicy = Literal["content", "version"]
#: With which client a customer uploads by SFTP, and so what it calls an upload that is not complete.
IncomingClient = Literal["any", "winscp", "rclone", "lftp", "spring", "gvfs", "in-place"]
#: Whose health check the records of a customer carry.
CheckOwner = Literal["customer", "cell"]
