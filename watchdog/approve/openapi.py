"""What the decisions listener understands, as OpenAPI 3.1, out of the models."""

from typing import Any

from watchdog.approve.answer import Decision
from watchdog.approve.github import PATH as GITHUB
from watchdog.approve.github import Asked
from watchdog.approve.resumption import Resume
from watchdog.approve.slack import PATH as SLACK

_WEBHOOK = (
    ("webhook-id", r"^[A-Za-z0-9_-]{8,64}$", "the delivery's id"),
    ("webhook-timestamp", r"^[1-9][0-9]{9}$", "seconds; within 5 minutes of now"),
    ("webhook-signature", r"^.{1,1024}$", "`v1a,…` or `v1,…`, by Standard Webhooks"),
)
_PROBLEM = {
    "type": "object",
    "required": ["type", "status", "code", "title"],
    "properties": {
        "type": {"const": "about:blank"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "title": {"type": "string"},
    },
}
_REFUSALS = {
    "400": "not JSON of one meaning",
    "401": "no valid signature of a listed approver",
    "403": "not for this person, or meant for elsewhere",
    "404": "not known",
    "409": "overtaken, decided before, or about something else",
    "413": "over 16 KiB",
    "415": "not application/json",
    "422": "not what the schema says",
    "429": "too many signatures from this address failed, and this one too",
}
# What any request may meet.
_ANYWHERE = {
    "400": "not HTTP with one meaning, or with two lengths",
    "405": "another method than these",
    "421": "for a host that is none of ours; see `listen.hosts`",
    "431": "over 8 KiB or 64 lines of headers",
    "500": "a fault of the watchdog's own, which is in its log",
    "503": "too many ask at once; ask again",
}


def openapi(version: str) -> dict[str, Any]:
    """Describe the decisions listener of the watchdog of *version*."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    for model in (Decision, Resume):
        whole = model.model_json_schema(ref_template="#/components/schemas/{model}")
        inner = whole.pop("$defs", {})
        # Two models have a part called _Data: each keeps its own.
        name = f"{model.__name__}Data"
        schemas[name] = inner["_Data"]
        whole["properties"]["data"] = {"$ref": f"#/components/schemas/{name}"}
        schemas[model.__name__] = whole
    asked = Asked.model_json_schema(ref_template="#/components/schemas/GitHub{model}")
    for name, inner in asked.pop("$defs").items():
        schemas[f"GitHub{name}"] = inner
    schemas["GitHubDeployment"] = asked
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "dms-rollback-watchdog: decisions", "version": version},
        "paths": {
            "/v1/promotion/{release}": {
                "get": _get(
                    "May this release go onward?",
                    "release",
                    {
                        "200": "open",
                        "423": "paused, with the reasons",
                        "404": "no release file for it",
                        "503": "nobody is watching",
                    },
                )
            },
            "/v1/retention/{release}": {
                "get": _get(
                    "May what is kept of this release be deleted?",
                    "release",
                    {
                        "200": "it may go",
                        "423": "it must stay, with the reasons",
                        "404": "it never ran here",
                        "503": "nobody is watching",
                    },
                )
            },
            "/v1/promotion/{release}/decision": {
                "post": _post("Resume a paused release.", "release", "Resume", {})
            },
            "/v1/approvals": {
                "get": _get("What is open?", "", {"200": "every open question"})
            },
            "/v1/approvals/{id}": {
                "get": _get(
                    "What is asked?", "id", {"200": "the question", "404": "none"}
                )
            },
            "/v1/approvals/{id}/decision": {
                "post": _post(
                    "Approve, deny, or promise a fix.",
                    "id",
                    "Decision",
                    {"200": "the same delivery again", "410": "expired"},
                )
            },
            SLACK: {"post": _slack()},
            GITHUB: {"post": _github()},
        },
        "components": {"schemas": schemas},
    }
    for path in described["paths"].values():
        for operation in path.values():
            for code, words in _ANYWHERE.items():
                operation["responses"].setdefault(code, _answer(code, words))
    return described


def _get(summary: str, name: str, answers: dict[str, str]) -> dict[str, Any]:
    return {
        "summary": summary,
        "parameters": [_in_path(name)] if name else [],
        "responses": {code: _answer(code, words) for code, words in answers.items()},
    }


def _post(summary: str, name: str, model: str, more: dict[str, str]) -> dict[str, Any]:
    answers = {"202": "recorded; the next turn weighs it"} | _REFUSALS | more
    return {
        "summary": summary,
        "parameters": [
            _in_path(name),
            *(
                {
                    "name": header,
                    "in": "header",
                    "required": True,
                    "description": words,
                    "schema": {"type": "string", "pattern": pattern},
                }
                for header, pattern, words in _WEBHOOK
            ),
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": f"#/components/schemas/{model}"}
                }
            },
        },
        "responses": {code: _answer(code, words) for code, words in answers.items()},
    }


def _slack() -> dict[str, Any]:
    """Describe what Slack's own servers post; nobody else has the secret for it."""
    answers = {
        "400": "the form is not one `payload` with JSON of one meaning",
        "401": "no valid signature of the Slack app",
        "404": "there are no buttons here: slack_buttons is not set",
        "413": "over 64 KiB",
        "415": "not a form",
        "422": "not a click on one of our buttons, or a response_url elsewhere",
        "429": "too many signatures from this address failed, and this one too",
    }
    headers = (
        ("x-slack-request-timestamp", r"^[1-9][0-9]{9}$"),
        ("x-slack-signature", r"^v0=[0-9a-f]{64}$"),
    )
    form = {
        "type": "object",
        "required": ["payload"],
        "properties": {"payload": {"type": "string"}},
    }
    return {
        "summary": "A click on a button in Slack, as Slack's interactivity posts it.",
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "schema": {"type": "string", "pattern": pattern},
            }
            for name, pattern in headers
        ],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": form}},
        },
        "responses": {
            "200": {"description": "authentic; what became of it is said in Slack"},
            **{code: _answer(code, words) for code, words in answers.items()},
        },
    }


def _github() -> dict[str, Any]:
    """Describe what GitHub posts for its App; nobody else has the secret for it."""
    answers = {
        "202": "taken down; the next turn weighs it",
        "200": "the same deployment again, or nothing that is answered here",
        "400": "not JSON of one meaning, or without its headers",
        "401": "no valid signature of the GitHub App",
        "429": "too many signatures from this address failed, and this one too",
        "404": "there is no such door here: github is not set",
        "409": "the delivery's id was another deployment's",
        "413": "over 512 KiB",
        "415": "not application/json",
        "422": "not a waiting deployment, or a deployment_callback_url elsewhere",
    }
    headers = (
        ("x-github-event", r"^[a-z_]{1,64}$"),
        ("x-github-delivery", r"^[0-9A-Za-z-]{8,64}$"),
        ("x-hub-signature-256", r"^sha256=[0-9a-f]{64}$"),
    )
    return {
        "summary": "A deployment that waits, as GitHub's webhook posts it.",
        "parameters": [
            {
                "name": name,
                "in": "header",
                "required": True,
                "schema": {"type": "string", "pattern": pattern},
            }
            for name, pattern in headers
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": "#/components/schemas/GitHubDeployment"}
                }
            },
        },
        "responses": {code: _answer(code, words) for code, words in answers.items()},
    }


def _in_path(name: str) -> dict[str, Any]:
    text = {"type": "string", "minLength": 1}
    return {"name": name, "in": "path", "required": True, "schema": text}


def _answer(code: str, words: str) -> dict[str, Any]:
    if code in ("200", "202", "423"):
        kind, schema = "application/json", {"type": "object"}
    else:
        kind = "application/problem+json"
        schema = {"$ref": "#/components/schemas/Problem"}
    return {"description": words, "content": {kind: {"schema": schema}}}
