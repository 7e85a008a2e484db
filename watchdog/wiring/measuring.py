"""Who asks Prometheus: now, about long ago, and for a picture."""

import contextlib
import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from watchdog.config.notation import written
from watchdog.config.settings import Settings
from watchdog.facts.past import Track
from watchdog.facts.problem import Refused
from watchdog.facts.reading import Blind
from watchdog.facts.trigger import Sick, Traffic, Trigger, Value
from watchdog.observe.access import Access
from watchdog.observe.history import PATIENCE, Past
from watchdog.observe.prometheus import Prometheus
from watchdog.show.drawings import Draws

_LONG_AGO = datetime.fromtimestamp(0, UTC)
# A phone shows no more, and each may be one question to Prometheus.
_MOST_LOOKS = 120


def prometheus_of(settings: Settings) -> Prometheus:
    """Make the one who asks Prometheus; nothing is asked yet."""
    return Prometheus(
        settings.prometheus.url,
        settings.prometheus.timeout,
        settings.prometheus.scrape_interval,
        settings.poll,
        access_of(settings),
    )


def past_of(settings: Settings, timeout: timedelta = PATIENCE) -> Past:
    """Make the one who asks Prometheus about long ago; nothing is asked yet."""
    far = settings.prometheus
    access = access_of(settings)
    return Past(
        far.url, far.scrape_interval, settings.poll, timeout=timeout, access=access
    )


def access_of(settings: Settings) -> Access:
    """Make what Prometheus wants to see; its files are read again at each question.

    Raises:
        Refused: a file cannot be read, or holds something else, as of now.
    """
    far = settings.prometheus
    access = Access(
        far.headers,
        far.header_files,
        far.bearer_token_file,
        far.username,
        far.password_file,
        far.ca_file,
        cert_file=far.cert_file,
        key_file=far.key_file,
    )
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        named = os.environ.get(name)
        is_first = access.ca_file is None and far.url.startswith("https:")
        if named and is_first:
            access = replace(access, ca_file=Path(named), ca_from=name)
    if faults := list(access.faults()):
        raise Refused("prometheus", faults)
    return access


def drawing_of(settings: Settings) -> Draws:
    """Give what draws a trigger's metric over a period, out of history."""

    def draw(trigger: Trigger, since: datetime, until: datetime) -> Track | str:
        if isinstance(trigger.kind, Sick):
            return "the engine tells how its containers are now, and keeps no history"
        if isinstance(trigger.kind, Traffic):  # what came, without a verdict on it
            came = f"sum(increase({trigger.kind.events}[{written(trigger.window)}]))"
            trigger = replace(trigger, kind=Value(came), below=0.0)
        past = past_of(settings, settings.prometheus.timeout)
        with contextlib.closing(past):
            now = past.now()
            if isinstance(now, Blind):
                return now.words
            step = max(trigger.block, (until - since) / _MOST_LOOKS)
            track = past.track(trigger, since, until, step=step, armed_from=_LONG_AGO)
        if track.bands:
            return track
        last = track.stretches[-1].words if track.stretches else "it is not judged yet"
        return f"nothing was measured: {last}"

    return draw
