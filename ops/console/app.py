"""The console as a WSGI application: routes, refusals, and what every answer carries."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Map, Rule
from werkzeug.wrappers import Request, Response

from ops.cli import message_of
from ops.console import reports
from ops.console.answers import Answers, LateError
from ops.console.pages import PAGES
from ops.console.query import BadQueryError, Query
from ops.console.reports import Report
from ops.console.site import Site
from ops.console.source import Source, UnansweredError
from ops.plan import RefusedError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

#: A name server that somebody else runs can point any name at this machine, so that a page of theirs would be
#: of the same origin as the console (DNS rebinding). Only names that no name server answers are accepted.
_LOOPBACK = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:[0-9]{1,5})?")

_PATHS = {
    "overview": "/",
    **{name: f"/{name}" for name in (*PAGES, "reports", "runbook") if name != "overview"},
}
_READS = ("GET", "HEAD")
_TITLES = {
    400: "That is not a question the console understands",
    403: "The console is for its own pages",
    404: "There is no such thing",
    405: "The console changes nothing",
    421: "The console is for this machine alone",
    500: "The console has a fault",
    503: "AWS does not answer this",
    504: "AWS is late",
}


def address(page: str, parameters: Mapping[str, str]) -> str:
    """Return the address of a page of the console that is served."""
    if page == "report":
        return f"/reports/{parameters['number']}"
    return f"{_PATHS[page]}?{urlencode(parameters)}" if parameters else _PATHS[page]


class App:
    """Answers GET and HEAD from this machine; refuses everything else."""

    def __init__(
        self, source: Source, *, handbook: str | None, given: Sequence[Report], answers: Answers | None = None
    ) -> None:
        """`handbook` is the runbook's Markdown, None if there is none; `given` are the reports."""
        self._source, self._answers = source, answers or Answers()
        self._site = Site(source.environment, address, handbook=handbook, reports=given)
        rules = [Rule(path, endpoint=name) for name, path in _PATHS.items()]
        self._routes = Map([*rules, Rule("/reports/<int:number>", endpoint="report")], strict_slashes=False)

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Be a WSGI application."""
        request = Request(environ)
        response = self._respond(request)
        response.headers.setdefault("Content-Security-Policy", f"{self._site.policy}; frame-ancestors 'none'")
        response.headers.update(
            {
                "Cache-Control": "no-store",
                "Cross-Origin-Opener-Policy": "same-origin",
                "Cross-Origin-Resource-Policy": "same-origin",
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
                "X-Frame-Options": "DENY",
            }
        )
        return response(environ, start_response)

    def _respond(self, request: Request) -> Response:
        if not _LOOPBACK.fullmatch(request.headers.get("Host", "")):
            return self._refusal(421, "It answers to 127.0.0.1, localhost and [::1], and to no other name.")
        if _is_from_elsewhere(request.headers):
            return self._refusal(403, "A page from elsewhere asked for it, not you.")
        if request.method not in _READS:
            response = self._refusal(405, f"{request.method} is not answered; the console is for reading.")
            response.headers["Allow"] = ", ".join(_READS)
            return response
        try:
            name, values = self._routes.bind_to_environ(request.environ).match(method="GET")
            return self._page(name, values, request)
        except HTTPException:
            return self._refusal(404, f"It has no page {request.path}.")
        except BadQueryError as error:
            return self._refusal(400, f"{error}.")
        except UnansweredError as error:
            return self._refusal(503, str(error))
        except RefusedError as error:
            return self._refusal(404, f"{error}.")
        except (BotoCoreError, ClientError) as error:
            return self._refusal(503, message_of(error, "reload this page"))
        except LateError as error:
            return self._refusal(504, f"{error}.")
        except Exception as error:
            print(f"{_TITLES[500]} at {request.path}: {type(error).__name__}", file=sys.stderr)
            return self._refusal(
                500, f"{type(error).__name__}; the command line may tell what this page cannot."
            )

    def _page(self, name: str, values: Mapping[str, Any], request: Request) -> Response:
        if name == "report":
            return self._report(values["number"])
        if name in PAGES:
            page = PAGES[name]
            query = Query(request.args.to_dict(), page.parameters)
            key = (name, *sorted(query.given.items()))
            data = self._answers.get(key, lambda: page.make(self._source, query), fresh=page.fresh)
            return _html(self._site.render(name, data))
        Query(request.args.to_dict(), ())
        text = self._site.still(name)
        if text is None:
            raise RefusedError("this checkout has no docs/runbook.md")
        return _html(text)

    def _report(self, number: int) -> Response:
        if not 0 < number <= len(self._site.reports):
            raise RefusedError(f"{number} is no report; {len(self._site.reports)} were given")
        response = Response(self._site.reports[number - 1].html, content_type="text/html; charset=utf-8")
        response.headers["Content-Security-Policy"] = reports.POLICY
        return response

    def _refusal(self, code: int, message: str) -> Response:
        data = {"code": f"HTTP {code}", "title": _TITLES[code], "message": message}
        return _html(self._site.render("error", data), code)


def _is_from_elsewhere(headers: Headers) -> bool:
    """Return whether another page wants a part from here; a link that somebody followed is none.

    The browser would not show that page the answer, but AWS would be asked.
    https://www.w3.org/TR/fetch-metadata/
    """
    site, mode = headers.get("Sec-Fetch-Site", "none"), headers.get("Sec-Fetch-Mode", "navigate")
    return site not in ("none", "same-origin") and mode != "navigate"


def _html(text: str, code: int = 200) -> Response:
    return Response(text, status=code, content_type="text/html; charset=utf-8")
