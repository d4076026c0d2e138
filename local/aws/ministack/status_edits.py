"""Statuses that MiniStack's answers lack: of subscriptions."""

from __future__ import annotations

from local.aws.ministack.patching import Edit

STATUS_EDITS = [
    Edit(
        name="subscriptions that wait",
        why="ListSubscriptionsByTopic gives no ARN of one that nobody has confirmed",
        module="services.sns",
        old="""            "<member>"
            f"<SubscriptionArn>{sub['arn']}</SubscriptionArn>"
            f"<Owner>{sub.get('owner', get_account_id())}</Owner>"
            f"<TopicArn>{topic_arn}</TopicArn>\"""",
        new="""            "<member>"
            f"<SubscriptionArn>{sub['arn'] if sub['confirmed'] else 'PendingConfirmation'}</SubscriptionArn>"
            f"<Owner>{sub.get('owner', get_account_id())}</Owner>"
            f"<TopicArn>{topic_arn}</TopicArn>\"""",
    ),
]
