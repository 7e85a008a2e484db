"""Whether a release may go onward, and what waits for that at GitHub."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PromotionPaused:
    """The pipeline may not carry this release onward."""

    release: str
    words: str


@dataclass(frozen=True, slots=True)
class PromotionResumed:
    """A person said that this release may go onward after all."""

    release: str
    by: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PromotionChanged:
    """The gate of what runs opened or closed: *state* is ``open`` or ``paused``.

    *words* say what an open one rests on. *over* is ``rolled-back``, ``quarantined``
    or ``superseded`` when waiting will not open it; *images* are what it speaks of, by
    service: ids and digests. *expected* when it is closed only because the release is
    new.
    """

    release: str
    state: str
    reasons: tuple[str, ...]
    over: str = ""
    images: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    words: str = ""
    expected: bool = False


@dataclass(frozen=True, slots=True)
class DeploymentRequested:
    """GitHub lets a deployment wait until we say whether it may begin.

    *deployment* names it by what GitHub signed; *delivery* was not signed. *run* and
    *installation* are GitHub's numbers, *ref* is the branch or tag that is deployed.
    """

    deployment: str
    delivery: str
    repository: str
    run: int
    environment: str
    ref: str
    sha: str
    installation: int


@dataclass(frozen=True, slots=True)
class DeploymentWeighed:
    """What a waiting deployment is to be told became another answer.

    *state* is ``waiting``, ``approved`` or ``rejected``: a wish, until it is posted.
    *release* is what is deployed by the settings' rule, empty where none fits.
    """

    deployment: str
    state: str
    words: str
    release: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentAnswering:
    """A verdict is about to be posted for the first time; there is no other after."""

    deployment: str
    state: str
    words: str


@dataclass(frozen=True, slots=True)
class DeploymentAnswered:
    """GitHub took a verdict, or a report where *state* is ``waiting``.

    *refused* says why it never will, empty when it took it.
    """

    deployment: str
    state: str
    words: str
    refused: str = ""


@dataclass(frozen=True, slots=True)
class DeploymentDelayed:
    """GitHub has not taken what is due for a while; it is still tried."""

    deployment: str
    words: str


@dataclass(frozen=True, slots=True)
class DeploymentLeft:
    """A deployment gets no verdict of ours any more, and why."""

    deployment: str
    words: str
    hint: str = ""
