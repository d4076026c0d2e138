"""Answers a repeated request from a cache, so that a retried create does not create twice.

An SDK marks all attempts of one call with the same `amz-sdk-invocation-id`. If an answer is lost on its way,
the next attempt gets the same answer. AWS protects its creates with client tokens, which MiniStack ignores.
"""

from __future__ import annotations

from collections import OrderedDict

from local.aws.ministack.asgi import App, Message, Receive, Send


def with_cache(inner: App, keep: int = 512, largest: int = 1 << 16) -> App:
    """Wrap an ASGI application with a cache of its last `keep` answers of at most `largest` bytes."""
    answers: OrderedDict[bytes, list[Message]] = OrderedDict()

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        call = headers.get(b"amz-sdk-invocation-id")
        if scope["type"] != "http" or scope["method"] == "GET" or not call:
            await inner(scope, receive, send)
            return
        if call in answers and not headers.get(b"amz-sdk-request", b"").startswith(b"attempt=1;"):
            for message in answers[call]:
                await send(message)
            return
        messages: list[Message] = []

        async def remembering(message: Message) -> None:
            messages.append(message)
            complete = message["type"] == "http.response.body" and not message.get("more_body")
            if complete and messages[0].get("status", 500) < 400:
                if sum(len(m.get("body", b"")) for m in messages) <= largest:
                    answers[call] = messages
                while len(answers) > keep:
                    answers.popitem(last=False)
            await send(message)

        await inner(scope, receive, remembering)

    return app
