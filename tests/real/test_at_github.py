"""A job that waits at GitHub, on a real stack: let on, or stopped with the reason."""

import json

import httpx
import pytest

from tests.notify.hub import APP, PEM, REPOSITORY, SECRET, a_hub, by_github
from watchdog.commands.stage import Stage

pytestmark = pytest.mark.real


@pytest.mark.campaign  # in short: test_promotion_wait
def test_a_job_at_github_goes_on_with_a_good_release_and_ends_with_a_bad_one(stage):
    it = stage()
    with a_hub() as hub:
        _settings(it, hub)
        it.compose("up", "-d", "--no-build", "--wait")
        with it.scanning():
            watch = it.watch()
            it.until("observe.pair_started")
            assert _waits(it, hub, run=1, ref="v1.2.0").status_code == 202
            it.until("notify.deployment_answered", 120, state="approved")
            assert hub.verdicts() == [(1, "site-2", "approved")]

            # Asked before it runs here, and still known after a crash.
            second = _waits(it, hub, run=2, ref="v1.3.0").json()["deployment"]
            it.until("notify.deployment_answered", deployment=second, state="waiting")
            watch.kill()
            watch.wait()
            it.watch()
            it.deploy("v1.3.0")
            it.until("record.rollback_audited", 120, how="proved")
            it.until("notify.deployment_answered", state="rejected")

        assert _waits(it, hub, run=2, ref="v1.3.0").json()["replayed"] is True
    assert hub.verdicts() == [(1, "site-2", "approved"), (2, "site-2", "rejected")]
    assert "rolled back here: AwbRoutingFailures" in _comment(hub, run=2)
    logged = it.log.read_text()
    assert SECRET.decode() not in logged
    assert not any(token in logged for token in hub.tokens)


def _settings(it: Stage, hub) -> None:
    for name, text in (("app.pem", PEM), ("secret", SECRET)):
        path = it.config / name
        path.touch(0o600)
        path.write_bytes(text)
    it.settings(
        github={
            "app": APP,
            "private_key_file": str(it.config / "app.pem"),
            "webhook_secret_file": str(it.config / "secret"),
            "api": hub.api,
            "deployments": [{"repository": REPOSITORY, "environment": "site-2"}],
        }
    )


def _waits(it: Stage, hub, *, run: int, ref: str) -> httpx.Response:
    """Let GitHub say that a job waits."""
    body = json.dumps(hub.payload(run=run, ref=ref, id_=7000 + run)).encode()
    headers = by_github(body, delivery=f"delivery-{run}")
    url = f"{it.decisions}/v1/integrations/github"
    return httpx.post(url, content=body, headers=headers, timeout=30)


def _comment(hub, *, run: int) -> str:
    return next(
        body["comment"]
        for _, number, body in hub.reviews
        if number == run and "state" in body
    )
