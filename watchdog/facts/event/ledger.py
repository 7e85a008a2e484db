"""Which pairs are good, and which stay restorable."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from watchdog.facts.pair import Pair, Revoked


@dataclass(frozen=True, slots=True)
class ImageHeld:
    """The images of a retained pair are here, and kept from being cleaned away.

    *image* is the pair's, and *size* what it takes at most, in bytes: images share
    layers. *sizes* has each by its id, where there are several.
    """

    key: str
    version: str
    words: str
    image: str = ""
    size: int = 0
    sizes: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RetentionAsked:
    """People are asked, once for each pair, whether what is held beyond may go.

    *size* is what its images take at most, in bytes.
    """

    keys: tuple[str, ...]
    size: int
    words: str
    hint: str


@dataclass(frozen=True, slots=True)
class ImageLost:
    """The image of a retained pair is gone, or nothing keeps it."""

    key: str
    version: str
    words: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class ImageLetGo:
    """Nothing keeps the image of a released pair any more; it was not deleted."""

    key: str
    version: str
    words: str


@dataclass(frozen=True, slots=True)
class StandbyChanged:
    """What is kept healthy beside, to go back to, became otherwise.

    *running* and *key* are the pairs that it is about, *target* the latter's version.
    *state* is one of ``booting``, ``healthy``, ``lost``, ``given-up``, ``yielded``,
    ``refused`` and ``ended``. *died* counts how often it could not be kept, *again* is
    when it is made again.
    """

    running: str
    target: str
    key: str
    state: str
    words: str
    died: int = 0
    again: datetime | None = None


@dataclass(frozen=True, slots=True)
class RetentionReleased:
    """A pair need not stay restorable: a person says so, *by* name, or had agreed."""

    key: str
    version: str
    by: str
    words: str


@dataclass(frozen=True, slots=True)
class PairProvedGood:
    """A pair is known to be good: it ran its bake time, measured and clear.

    Or a person says so: *vouched_by*, whose word also lifts a quarantine.
    """

    key: str
    words: str
    vouched_by: str = ""
    record: str = ""


@dataclass(frozen=True, slots=True)
class PairRecorded:
    """A pair that never ran here was recorded for a person, as it was found.

    It counts as older than every pair that is known. *between* are the one-way releases
    that may have run since it did, by their versions: nobody watched.
    """

    pair: Pair
    record: str
    by: str
    words: str
    between: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PairQuarantined:
    """A pair breached; it is no target any more."""

    key: str
    words: str


@dataclass(frozen=True, slots=True)
class VersionsRevoked:
    """The signed list of revoked versions was seen at a higher *epoch* than before.

    *sha256* is of its bytes: another list of the same epoch is a forgery.
    """

    epoch: int
    sha256: str
    words: str
    revoked: tuple[Revoked, ...] = ()
