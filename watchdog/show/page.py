"""The frame of every page: one style, scripts by their hashes, words as text alone."""

import base64
import hashlib
from datetime import UTC, datetime

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from watchdog.decide.document import plain
from watchdog.show import plot

_NOT_THERE = 404
STYLE = f"""\
{plot.STYLE}*{{box-sizing:border-box}}
body{{margin:0 auto;max-width:46rem;padding:.8rem 1rem;background:var(--paper);
color:var(--ink);font:1.05rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}}
h1{{font-size:1.4rem;line-height:1.25;margin:.1rem 0 .5rem}}
h2{{font-size:1.1rem;margin:1.6rem 0 .3rem}}h3{{font-size:1rem;margin:1.2rem 0 .2rem}}
p{{margin:.4rem 0}}ul,ol{{margin:.4rem 0;padding-left:1.3rem}}.dim{{color:var(--dim)}}
.steps{{list-style:none;padding:0}}.steps b{{display:inline-block;min-width:3.6rem}}
.state{{border-left:.3rem solid var(--bound);padding:.2rem 0 .2rem .7rem}}
.over{{border-color:var(--rule)}}
dl{{margin:.4rem 0}}dt{{color:var(--dim);font-size:.9rem;margin-top:.5rem}}
dd{{margin:0}}del{{text-decoration:none;color:var(--bound)}}ins{{text-decoration:none;
font-weight:600}}
code,pre{{font:.85rem/1.5 ui-monospace,monospace}}
pre{{white-space:pre-wrap;border:1px solid var(--rule);padding:.6rem;margin:.4rem 0;
user-select:all}}summary{{cursor:pointer;padding:.5rem 0}}
a{{color:var(--line)}}
label{{display:block;margin:.4rem 0 .1rem}}
input{{display:block;width:100%;font:inherit;padding:.5rem;margin-top:.1rem;
border:1px solid var(--dim);background:var(--paper);color:var(--ink)}}
button{{display:block;width:100%;font:inherit;font-weight:600;padding:.6rem;
margin:.5rem 0;border:1px solid var(--ink);background:var(--paper);color:var(--ink);
cursor:pointer}}
#own-approve{{background:var(--ink);color:var(--paper)}}
"""


def whole(
    title: str, body: str, *, script: str = "", again: int = 0, follow: str = ""
) -> str:
    """Put *body* into a page; without a script it is loaded *again* so often.

    *follow* is where a script is told that something changed.
    """
    told = f' data-follow="{safe(follow)}"' if follow else ""
    seconds = f'<noscript><meta http-equiv="refresh" content="{again}"></noscript>\n'
    scripts = f"<script>{script}</script>\n" if script else ""
    return f"""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{safe(title)}</title>
{seconds if again else ""}<style>{STYLE}</style>
</head>
<body>
<main{told}>
{body}
</main>
{scripts}</body>
</html>
"""


def answer(
    text: str, status: int = 200, *, script: str = "", style: str = STYLE
) -> Response:
    """Send a page that runs and shows nothing but what is named by its hash."""
    scripts = f"script-src {_hash(script)}; " if script else ""
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; {scripts}connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-robots-tag": "noindex, nofollow",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "cross-origin-opener-policy": "same-origin",
        "content-security-policy": policy,
    }
    return HTMLResponse(text, status, headers=headers)


def refused(
    request: Request, words: str, status: int, *, more: str = "", script: str = ""
) -> Response:
    """Refuse: with a page where a person's browser asks, else a problem document."""
    if "text/html" in request.headers.get("accept", ""):
        text = whole("Not here", f"<h1>{safe(words)}</h1>\n{more}", script=script)
        return answer(text, status, script=script)
    code = "unknown" if status == _NOT_THERE else "busy"
    return JSONResponse(
        {"type": "about:blank", "status": status, "code": code, "title": words},
        status,
        headers={"cache-control": "no-store", "x-content-type-options": "nosniff"},
        media_type="application/problem+json",
    )


def live(name: str, *lines: str, closed: bool = False) -> str:
    """Hold what is looked at again where a script runs; *closed*: no answer counts."""
    inside = "\n".join(lines)
    marks = "data-live data-closed" if closed else "data-live"
    return f'<div id="{name}" {marks}>\n{inside}\n</div>'


def dim(words: str) -> str:
    """Say *words* in the background."""
    return f'<p class="dim">{safe(words)}</p>'


def listed(items: list[str]) -> list[str]:
    """List *items*, which are words; nothing where there are none."""
    if not items:
        return []
    return ["<ul>", *(f"<li>{safe(item)}</li>" for item in items), "</ul>"]


def clock(at: datetime) -> str:
    """Write a time of day for people, in UTC."""
    return f"{at.astimezone(UTC):%H:%M:%S} UTC"


def both_clocks(at: datetime) -> str:
    """Write an instant in UTC; a script adds the reader's own clock."""
    stamp = at.astimezone(UTC).isoformat(timespec="seconds")
    return f'<time datetime="{stamp}">{plot.clock(at)} UTC</time>'


def safe(text: str) -> str:
    """Let *text* be nothing but text, and nothing in it turn the line round."""
    return plot.safe(plain(text))


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"
