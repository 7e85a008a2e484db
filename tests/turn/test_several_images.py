"""Several images of one release are one pair, and a release may have no manifests."""

import json

import pytest

from tests.worlds import (
    AWB,
    HOUR,
    HTTP_5XX,
    MINUTE,
    REPOSITORY,
    Docker,
    Fuse,
    PowerCut,
    StillClock,
    World,
    a_release,
)
from watchdog.act.keeper import Keeper
from watchdog.decide.gate import images
from watchdog.decide.repair import split
from watchdog.facts.event import (
    PairUnclear,
    QuestionAsked,
    ReadinessChanged,
    RollbackEnded,
    RollbackStarted,
    StepDone,
)
from watchdog.facts.pair import NotKnown, Running
from watchdog.show import releases, retention, status

WEB = f"{REPOSITORY}-web"
ML = f"{REPOSITORY}-ml"
# Services by the image that each has, as well-known stacks are built.
SHAPES = {
    "immich": {"server": WEB, "machine-learning": ML},
    "mastodon": {"web": WEB, "sidekiq": WEB, "streaming": ML},
    "n8n": {"n8n": WEB, "worker": WEB, "runners": ML},
    "sentry": {"web": WEB, "worker": WEB, "snuba-api": ML, "relay": f"{REPOSITORY}-r"},
    "jitsi": {s: f"{REPOSITORY}-{s}" for s in ("web", "prosody", "jicofo", "jvb")},
}
TWO = SHAPES["mastodon"]
LAYOUTS = pytest.mark.parametrize("shared", [False, True], ids=["versioned", "shared"])


@pytest.fixture
def world(folders):
    def world(shape=TWO, *, fuse=None, **chosen):
        made = World(
            folders(), services=tuple(shape), images=shape, fuse=fuse, **chosen
        )
        if made.bare:
            made.releases = {v: a_release(v, manifests={}) for v in made.releases}
        made.bake("v1.2.0")
        made.compose_up("v1.3.0")
        made.turn()
        made.turn(MINUTE)
        return made

    return world


def rolled_back(it):
    it.numbers.values[AWB.name] = 9
    it.turn()
    return it.memory.all(RollbackEnded)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@LAYOUTS
def test_all_of_a_releases_images_go_back_together(world, shape, shared):
    it = world(shape, shared=shared)

    (ended,) = rolled_back(it)

    assert (ended.how, it.stands_on("v1.2.0")) == ("proved", [])
    for service in shape:
        assert it.image_of(service, "v1.2.0").rpartition(":")[2][:12] in ended.proof


def test_every_name_of_every_image_is_held_before_anything_is_touched(world):
    it = world()
    rolled_back(it)

    (began,) = it.memory.all(RollbackStarted)
    held = [
        step.subject
        for step in began.plan.steps[: began.plan.prepared]
        if step.do == "hold-image"
    ]
    assert held == [f"{WEB}:v1.2.0", f"{ML}:v1.2.0"]
    assert began.plan.kind == "both"


def test_the_second_image_is_pulled_by_its_own_digest(world):
    it = world()
    gone = it.image_of("streaming", "v1.2.0")
    it.docker.tags = {ref: id_ for ref, id_ in it.docker.tags.items() if id_ != gone}

    (ended,) = rolled_back(it)

    assert ended.how == "proved"
    assert ("pull", ML) in it.docker.calls


def test_an_image_that_cannot_be_had_again_is_named_before_it_is_needed(world):
    it = world()
    gone = it.image_of("streaming", "v1.2.0")
    it.docker.tags = {ref: id_ for ref, id_ in it.docker.tags.items() if id_ != gone}
    it.turn(HOUR)

    *_, last = it.memory.all(ReadinessChanged)
    assert not last.ready
    assert "the image of v1.2.0 (streaming), sha256:" in last.words


@LAYOUTS
def test_wherever_the_machine_dies_all_images_are_of_one_release(folders, shared):
    instant = 0
    while True:
        instant += 3
        fuse = Fuse()
        it = World(
            folders(),
            services=("web", "ml"),
            images={"ml": ML},
            shared=shared,
            fuse=fuse,
        )
        it.bake("v1.2.0")
        it.compose_up("v1.3.0")
        it.turn()
        it.turn(MINUTE)
        it.numbers.values[AWB.name] = 9
        fuse.cuts = {fuse.count + instant}
        try:
            it.turn()
        except PowerCut:
            for _ in range(3):
                it.turn()
            assert it.stands_on("v1.2.0") == [], instant
        else:
            break
    assert instant > 20


def test_half_a_deployment_is_no_pair_and_never_proved(world):
    it = world()
    it.compose_up("v1.3.1", only=("web", "sidekiq"))

    said = it.turn()

    assert said.startswith("split: the services of dms run images of several versions")
    assert f"streaming {ML}:v1.3.0" in said
    (unclear,) = it.memory.all(PairUnclear)
    assert unclear.split
    parts = it.eyes().parts(it.tenants_of)
    assert split(it.memory.standing, parts, it.services)


def test_what_is_whole_is_nothing_to_mend(world):
    it = world()
    parts = it.eyes().parts(it.tenants_of)

    assert split(it.memory.standing, parts, it.services) == ""


def test_one_name_that_means_two_images_is_a_deployment_half_done(world):
    it = world()
    old = next(b for b in it.docker.boxes.values() if "sidekiq" in b["Name"])
    old["Image"] = f"sha256:{'0' * 64}"

    seen = it.eyes().running(it.tenants_of)

    assert isinstance(seen, NotKnown)
    assert seen.split


def test_a_service_that_would_serve_the_other_release_stops_nothing(world):
    it = world()
    it.docker.mistakes[f"{ML}:v1.2.0"] = it.image_of("streaming", "v1.3.0")

    (ended,) = rolled_back(it)

    assert ended.how == "unchanged"
    assert {image for image, _ in it.docker.up().values()} == {
        it.image_of(service, "v1.3.0") for service in TWO
    }


def test_tags_that_differ_are_one_release_where_its_file_names_them(folders):
    it = World(folders(), services=("web", "ml"), images={"ml": ML})
    it.compose_up("v1.2.0")
    box = next(b for b in it.docker.boxes.values() if b["Name"] == "/dms-ml-1")
    box["Config"]["Image"] = f"{ML}:v1.2.0-cuda"

    assert isinstance(it.eyes().running(it.tenants_of), NotKnown)

    named = {"web": f"{REPOSITORY}:v1.2.0", "ml": f"{ML}:v1.2.0-cuda"}
    it.releases["v1.2.0"] = a_release("v1.2.0", image="", images=named)
    seen = it.eyes().running(it.tenants_of)

    assert isinstance(seen, Running)
    assert (seen.pair.version, len(seen.pair.images)) == ("v1.2.0", 2)
    parts = it.eyes().parts(it.tenants_of)
    assert {part.version for part in parts} == {"v1.2.0"}
    assert split(it.memory.standing, parts, it.services) == ""


def test_the_gate_names_the_image_of_each_service(world):
    it = world()
    record = it.memory.record(it.memory.standing.running.record)

    seen = images(record)

    for service in TWO:
        assert set(seen[service]) == {it.image_of(service, "v1.3.0")}


def test_a_question_binds_every_image(world):
    it = world()
    it.numbers.values[HTTP_5XX.name] = 9
    it.turn()

    (asked,) = it.memory.all(QuestionAsked)
    document = json.loads(asked.document)

    assert document["to"]["images"] == {
        service: it.image_of(service, "v1.2.0") for service in TWO
    }
    assert "image" not in document["to"]


def test_every_image_of_a_pair_is_held_and_let_go(folders):
    docker = Docker(folders(), StillClock())
    it = World(folders(), services=("web", "ml"), images={"ml": ML})
    it.bake("v1.2.0")
    record = it.memory.record(it.memory.standing.running.record)
    docker.tags |= it.docker.tags
    docker.untag = docker.tags.pop
    keeper = Keeper(docker, "dms", "me")

    words, sizes = keeper.hold(record)
    keeper.hold(record)

    assert set(sizes) == {it.image_of(s, "v1.2.0") for s in ("web", "ml")}
    assert {box["Image"] for box in docker.boxes.values()} == set(sizes)
    assert all(id_[7:19] in words for id_ in sizes)
    keeper.let_go(record)
    assert docker.boxes == {}


def test_every_face_shows_every_image(world):
    it = world()
    standing, release = it.memory.standing, it.releases["v1.3.0"]
    each = [it.image_of(service, "v1.3.0")[7:19] for service in TWO]

    listed = releases.picture(standing, release)
    kept = retention.picture(
        standing, release, it.rules, lambda _: "", it.filed().for_version
    )
    whole = status.picture(
        standing, release, it.rules, None, poll=it.rules.poll, at=it.clock.now()
    )

    assert all(one in releases.words(listed) for one in each)
    assert all(one in whole["running"]["pair"] for one in each)
    assert set(listed[0]["images"]) == set(TWO)
    assert "image" not in listed[0]
    assert {s for one in kept[0]["images"] for s in one["services"]} == set(TWO)


def test_a_release_without_manifests_goes_back_as_images_alone(world):
    it = world(bare=True)

    *_, ready = it.memory.all(ReadinessChanged)
    (ended,) = rolled_back(it)

    (began,) = it.memory.all(RollbackStarted)
    assert began.plan.kind == "code"
    assert (ended.how, it.docker.up()) == (
        "proved",
        {
            f"dms-{service}-1": (it.image_of(service, "v1.2.0"), it.restart)
            for service in TWO
        },
    )
    assert "no manifests" in ended.proof
    assert "no manifests" in ready.words
    assert "no manifests" in it.memory.standing.running.pair.words
    done = [event.step.words for event in it.memory.all(StepDone)]
    assert not [words for words in done if "manifest" in words]


def test_a_release_without_manifests_that_mounts_one_could_not_go_back(folders):
    it = World(folders())
    it.releases = {v: a_release(v, manifests={}) for v in it.releases}
    it.bake("v1.2.0")
    it.compose_up("v1.3.0")
    it.turn()
    it.turn(HOUR)

    *_, ready = it.memory.all(ReadinessChanged)

    assert not ready.ready
    assert "and no manifest of v1.2.0 is recorded" in ready.words
