"""Slack's clicks and GitHub's questions, at the door of a watchdog that follows."""

import asyncio
import json
from contextlib import ExitStack
from datetime import UTC, datetime

import httpx
import pytest
import yaml

from tests import canary
from tests.abuse.door import KEYS, QUESTION, Watched, public_of
from tests.approve.test_slack import SECRET, USERS, Room, by_slack, form, origin_of
from tests.notify.hub import APP, PEM, REPOSITORY, a_hub, by_github
from tests.notify.hub import SECRET as GITHUBS
from tests.notify.receiver import receiving
from tests.record.test_one_leads import Node, seen, there
from tests.worlds import ASHA
from watchdog.approve.github import PATH as GITHUB
from watchdog.approve.slack import PATH as SLACK
from watchdog.config.settings_file import load
from watchdog.facts.event import (
    Answered,
    DeploymentAnswered,
    DeploymentRequested,
)
from watchdog.wiring.follower import Follower

pytestmark = pytest.mark.real


class Beside(Watched):
    """One in this process, that follows, and the Slack that it speaks to."""

    def follow(self, path, slack, after):
        it = Follower(load(path, {}), "test", pytest.fail, slack=origin_of(slack.url))
        it.start()
        after.callback(it.close)
        after.callback(it.stop)
        self.app = it.doors.decisions

    def click(self, slack, digest, decision, **other):
        clicked = Room.payload(_Shown(slack.url, digest), decision=decision, **other)
        body = form(clicked)
        headers = dict(by_slack(body, at=datetime.now(UTC)))
        return asyncio.run(self._post(SLACK, body, headers))

    async def _post(self, path, body, headers):
        way = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=way, base_url="http://two") as client:
            return await client.post(path, content=body, headers=headers)


class _Shown:
    """What a click's payload is made of."""

    def __init__(self, slack, digest):
        self.slack, self.digest = slack, digest


def configured(node, place, **more):
    """Have settings of *node*, with a Slack and the roster's users there."""
    for name, text in (("slack", SECRET), ("app.pem", PEM), ("github", GITHUBS)):
        path = node.folder / name
        path.touch(0o600)
        path.write_bytes(text)
    database = {"url": place.url, "schema_name": place.schema, "lease": "3s"}
    buttons = {"signing_secret_file": str(node.folder / "slack")}
    path = node.settings(database=database, slack_buttons=buttons, **more)
    people = {
        who: {"keys": [f"whpk_{public_of(key)}"], "slack": USERS[who]}
        for who, key in KEYS.items()
    }
    (path.parent / "approvers.yaml").write_text(yaml.safe_dump({"approvers": people}))
    return path


def test_a_click_that_a_follower_took_counts_once_and_the_leader_goes_by_it(
    tmp_path, cluster, until
):
    place = cluster.server(tmp_path / "reader")
    leads, one, two = (
        cls(tmp_path / name)
        for name, cls in (("leads", Node), ("one", Beside), ("two", Beside))
    )
    with ExitStack() as after:
        slack = after.enter_context(receiving())
        paths = [configured(node, place) for node in (leads, one, two)]
        leads.open_a_question(place=place)
        leads.start()
        after.callback(leads.stop)
        until(lambda: leads.leads)
        for node, path in zip((one, two), paths[1:], strict=True):
            node.follow(path, slack, after)

        assert one.click(slack, leads.digest, "deny").status_code == 200
        # Slack heard no answer, and says it again to another.
        assert two.click(slack, leads.digest, "deny").status_code == 200
        until(lambda: '"deny"' in seen(leads))
        slack.until(2)
        told = [json.loads(body) for _, _, body in slack.came]

    (answered,) = there(place, Answered)
    assert (answered.question, answered.by) == (QUESTION, ASHA)
    assert (answered.decision, answered.key) == ("deny", f"slack:{USERS[ASHA]}")
    assert canary.MARK not in answered.body
    assert all(body["replace_original"] for body in told), told
    assert all(": deny" in str(body["blocks"][2]) for body in told), told


def test_what_github_asks_a_follower_is_answered_once_by_whoever_leads(
    tmp_path, cluster, until
):
    place = cluster.server(tmp_path / "reader")
    one, two = (Node(tmp_path / name) for name in ("one", "two"))
    with ExitStack() as after:
        hub = after.enter_context(a_hub())
        github = {
            "app": APP,
            "private_key_file": "",
            "webhook_secret_file": "",
            "api": hub.api,
            "deployments": [{"repository": REPOSITORY, "environment": "site-2"}],
        }
        for node in (one, two):
            where = github | {
                "private_key_file": str(node.folder / "app.pem"),
                "webhook_secret_file": str(node.folder / "github"),
            }
            configured(node, place, github=where)
        one.open_a_question(place=place)
        for node in (one, two):
            node.start()
            after.callback(node.process.wait, 60)
            after.callback(node.process.kill)
        until(lambda: one.leads)

        asked = asks(two, hub, run=1)
        assert asked.status_code == 202, asked.text
        again = asks(one, hub, run=1)
        assert (again.status_code, again.json()["replayed"]) == (200, True)
        hub.until(1)
        until(lambda: there(place, DeploymentAnswered))

        # Asked of whoever follows while nobody leads: the next one answers it.
        one.process.kill()
        assert asks(two, hub, run=2).status_code == 202
        until(lambda: two.leads)
        hub.until(2)
        until(lambda: len(there(place, DeploymentAnswered)) == 2)
        assert asks(two, hub, run=1).json()["replayed"] is True

    assert [one.run for one in there(place, DeploymentRequested)] == [1, 2]
    # A gate that nothing was measured for lets nobody on, and says why: once each.
    assert [run for _, run, _ in hub.reviews] == [1, 2]
    assert hub.verdicts() == []


def asks(node, hub, run):
    """Have GitHub ask *node* whether a job may go on."""
    body = json.dumps(hub.payload(run=run, id_=7000 + run)).encode()
    headers = by_github(body, secret=GITHUBS, delivery=f"delivery-{run}")
    return httpx.post(f"{node.url}{GITHUB}", content=body, headers=headers, timeout=60)
