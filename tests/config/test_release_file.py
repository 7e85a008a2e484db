from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from hypothesis import assume, example, given
from hypothesis import strategies as st

from watchdog.config.release_file import (
    AllRefused,
    Releases,
    load_release,
    load_releases,
)
from watchdog.facts.problem import Refused
from watchdog.facts.trigger import (
    Action,
    Baseline,
    Latency,
    Missing,
    Queue,
    Ratio,
    RatioQuery,
    Release,
    Trigger,
    Value,
)

SCRAPE = timedelta(seconds=15)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
ASHA = "asha@flexli.example"
HERE = Path(__file__).parent
BAD = sorted((HERE / "bad").glob("*.yaml"))
EXAMPLES = sorted((HERE.parent.parent / "config" / "releases").glob("*.yaml"))

DMS_DOWN = {
    "alert": "DmsDown",
    "value": "up",
    "below": 1,
    "for": "2m",
    "action": "pause-and-alert",
}
HTTP_5XX = {
    "alert": "Http5xxRate",
    "ratio": {"errors": 'r{code=~"5.."}', "total": "r"},
    "above": "5%",
    "for": "5m",
    "action": "pause-and-alert",
}


def a_file(*triggers, **keys):
    return {
        "release": "v1.3.0",
        "image": "ghcr.io/flexli/dms:v1.3.0",
        "manifests": {"meesho": "meesho.v1.3.0.manifest.json"},
        "dri": [ASHA],
        "triggers": list(triggers) or [DMS_DOWN],
    } | keys


def without(mapping, *keys):
    return {key: value for key, value in mapping.items() if key not in keys}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    return tmp_path_factory.mktemp("releases")


@pytest.fixture
def read(tmp_path):
    def read(raw, scrape=SCRAPE, name="v1.3.0.yaml"):
        path = tmp_path / name
        path.write_text(yaml.safe_dump(raw))
        return load_release(path, scrape, [ASHA])

    return read


@pytest.fixture
def read_trigger(read):
    def read_trigger(raw, scrape=SCRAPE):
        return read(a_file(raw), scrape).triggers[0]

    return read_trigger


# What is refused.


@pytest.mark.parametrize("bad", BAD, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_all_of_its_faults(bad, tmp_path):
    name = "default.yaml" if bad.stem.startswith("default-") else "v1.3.0.yaml"
    path = tmp_path / name
    path.write_bytes(bad.read_bytes())

    with pytest.raises(Refused) as refused:
        load_release(path, SCRAPE, [ASHA])

    said = str(refused.value).replace(str(path), name)
    assert said + "\n" == bad.with_suffix(".txt").read_text()


def test_a_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Refused, match="there is no such file"):
        load_release(tmp_path / "v1.3.0.yaml", SCRAPE)


def test_a_file_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "v1.3.0.yaml").mkdir()

    with pytest.raises(Refused, match="is a folder, meant a file"):
        load_release(tmp_path / "v1.3.0.yaml", SCRAPE)


def test_a_file_of_other_bytes_is_refused(tmp_path):
    (tmp_path / "v1.3.0.yaml").write_bytes(b"release: \xff")

    with pytest.raises(Refused, match="byte 9 is not UTF-8; save it as UTF-8"):
        load_release(tmp_path / "v1.3.0.yaml", SCRAPE)


PLACES = [
    (),
    ("defaults",),
    ("triggers", 0),
    ("triggers", 0, "ratio"),
    ("triggers", 1),
    ("triggers", 1, "latency"),
    ("triggers", 2, "queue"),
]


@given(
    place=st.sampled_from(PLACES),
    key=st.text(
        st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1
    ),
    value=st.none() | st.booleans() | st.integers(-9, 9) | st.text(),
)
def test_any_unknown_key_anywhere_is_refused_with_its_path(shelf, place, key, value):
    whole = a_file(
        HTTP_5XX,
        {
            "alert": "Slow",
            "latency": {"histogram": "h", "over": "500ms", "quantile": 0.95},
            "for": "10m",
            "action": "pause-and-investigate",
        },
        {
            "alert": "Growing",
            "queue": {"depth": "d", "enqueued": "e", "drained": "o"},
            "growing_for": "15m",
            "action": "pause-and-alert",
        },
        defaults={"min_samples": 20},
    )
    raw = yaml.safe_load(yaml.safe_dump(whole))
    at = raw
    for part in place:
        at = at[part]
    known = "by unless ratio latency queue value above below window growing_for block "
    known += "mode labels annotations confidence min_events min_blocks_hit min_growth "
    known += "coverage confirm_polls rollback_to rollback_safe deployment mttr "
    known += (
        "retention approved_by watch_for errors_query total_query dispersion baseline"
    )
    assume(key not in at and key not in known.split())
    at[key] = value
    path = shelf / "v1.3.0.yaml"
    path.write_text(yaml.safe_dump(raw, allow_unicode=True))

    with pytest.raises(Refused) as refused:
        load_release(path, SCRAPE)

    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in (*place, key))
    assert [(fault.path, fault.words) for fault in refused.value.faults] == [
        (text[1:], "unknown key")
    ]


@given(raw=st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from([
            "release", "image", "manifests", "dri", "triggers", "defaults", "alert",
            "ratio", "errors", "total", "latency", "over", "queue", "value", "above",
            "for", "window", "block", "action", "labels", "approved_by", "watch_for",
        ]),
        inner,
    ),
))  # fmt: skip
def test_whatever_a_file_holds_it_is_read_or_refused(shelf, raw):
    path = shelf / "v1.3.0.yaml"
    path.write_text(yaml.safe_dump(raw))

    with pytest.raises(Refused):
        load_release(path, SCRAPE, [ASHA])


# What is read.


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_file_is_read_and_watches_all_that_the_runbook_names(path):
    release = load_release(path, SCRAPE, [ASHA])

    assert [(t.name, t.action) for t in release.triggers] == [
        ("Http5xxRate", Action.PAUSE_AND_ALERT),
        ("ScanLatencyP95", Action.PAUSE_AND_INVESTIGATE),
        ("AwbRoutingFailures", Action.ROLLBACK),
        ("OutboxDrainFailure", Action.ROLLBACK),
        ("DmsDown", Action.PAUSE_AND_ALERT),
    ]


def test_the_example_says_what_the_runbook_says():
    release = load_release(next(p for p in EXAMPLES if p.stem == "v1.3.0"), SCRAPE)

    assert release == Release(
        version="v1.3.0",
        image="ghcr.io/flexli/dms:v1.3.0",
        manifests={"meesho": "meesho.v1.3.0.manifest.json"},
        dri=(ASHA,),
        approved_by=ASHA,
        rollback_to="v1.2.0",
        rollback_safe=True,
        mttr=timedelta(hours=1),
        watch_for=timedelta(hours=24),
        triggers=(
            Trigger(
                name="Http5xxRate",
                kind=Ratio(
                    'http_requests_total{job="dms",code=~"5.."}',
                    'http_requests_total{job="dms"}',
                ),
                action=Action.PAUSE_AND_ALERT,
                window=5 * MINUTE,
                sustained=True,
                block=SCRAPE,
                above=0.05,
            ),
            Trigger(
                name="ScanLatencyP95",
                kind=Latency(
                    'http_request_duration_seconds{job="dms",handler="/scan"}',
                    timedelta(milliseconds=500),
                    0.95,
                ),
                action=Action.PAUSE_AND_INVESTIGATE,
                window=10 * MINUTE,
                sustained=True,
                block=SCRAPE,
                above=0.05,
            ),
            Trigger(
                name="AwbRoutingFailures",
                kind=Ratio(
                    'dms_awb_routing_failures_total{job="dms"}',
                    'dms_scans_total{job="dms"}',
                ),
                action=Action.ROLLBACK,
                window=5 * MINUTE,
                sustained=False,
                block=SCRAPE,
                above=0.01,
            ),
            Trigger(
                name="OutboxDrainFailure",
                kind=Queue(
                    'dms_outbox_pending{job="dms"}',
                    'dms_outbox_enqueued_total{job="dms"}',
                    'dms_outbox_published_total{job="dms"}',
                ),
                action=Action.ROLLBACK,
                window=15 * MINUTE,
                sustained=True,
                block=3 * MINUTE,
            ),
            Trigger(
                name="DmsDown",
                kind=Value('up{job="dms"}'),
                action=Action.PAUSE_AND_ALERT,
                window=2 * MINUTE,
                sustained=True,
                block=SCRAPE,
                below=1.0,
            ),
        ),
    )


def test_queries_are_the_way_out_of_plain_selectors(read_trigger):
    pair = {
        "errors_query": "sum(rate(a[{{ window }}]))",
        "total_query": "sum(rate(b[{{window}}]))",
    }

    assert read_trigger(HTTP_5XX | {"ratio": pair}).kind == RatioQuery(**pair)


@pytest.mark.parametrize(
    "selector",
    ["a", "a:b_total", "a{}", 'a{ b = "c" , d!~"e|f", }', "a{b='}'}", 'a{b="\\"{"}'],
)
def test_a_plain_selector_is_taken(read_trigger, selector):
    trigger = read_trigger(HTTP_5XX | {"ratio": {"errors": selector, "total": "b"}})

    assert trigger.kind == Ratio(selector, "b")


@pytest.mark.parametrize(
    ("selector", "written"),
    [
        ("dms.scan.errors", '{"dms.scan.errors"}'),
        ('dms.errors{code="5"}', '{"dms.errors",code="5"}'),
        ('dms_errors{http.code=~"5.."}', 'dms_errors{"http.code"=~"5.."}'),
        ('{"dms.errors", "http.code"="5", }', '{"dms.errors","http.code"="5"}'),
        ("{'d\u00fc \"s\"'}", '{"d\u00fc \\"s\\""}'),
    ],
)
def test_a_name_that_needs_quotes_gets_them(read_trigger, selector, written):
    trigger = read_trigger(HTTP_5XX | {"ratio": {"errors": selector, "total": "b"}})

    assert trigger.kind == Ratio(written, "b")


@pytest.mark.parametrize(
    "selector",
    ["sum(a)", "a[5m]", "a offset 1h", "a / b", 'a{b="c"', '{b="c"}', "a{b=c}", "a b"],
)
def test_an_expression_is_no_selector(read_trigger, selector):
    with pytest.raises(Refused, match="is not a plain selector"):
        read_trigger(HTTP_5XX | {"ratio": {"errors": selector, "total": "b"}})


def test_a_trigger_is_more_careful_than_its_file_where_it_says_so(read):
    raw = a_file(
        HTTP_5XX | {"min_samples": 100, "coverage": "90%"},
        DMS_DOWN,
        defaults={"min_samples": 30, "min_events": 9},
    )

    one, two = read(raw).triggers
    assert (one.min_samples, one.min_events, one.coverage) == (100, 9, 0.9)
    assert (two.min_samples, two.min_events, two.coverage) == (30, 9, 0.8)


def test_a_trigger_can_be_told_to_observe_only(read_trigger):
    assert read_trigger(DMS_DOWN | {"mode": "observe"}).observe_only


def test_labels_and_annotations_are_kept(read_trigger):
    words = {"labels": {"severity": "page"}, "annotations": {"summary": "one\ntwo"}}

    trigger = read_trigger(DMS_DOWN | words)

    assert (trigger.labels, trigger.annotations) == tuple(words.values())


@pytest.mark.parametrize(
    ("keys", "mttr"),
    [
        ({}, timedelta(hours=1)),
        ({"deployment": "cloud"}, timedelta(hours=1)),
        ({"deployment": "on-prem"}, timedelta(days=1)),
        ({"deployment": "on-prem", "mttr": "45m"}, timedelta(minutes=45)),
    ],
)
def test_the_deadline_follows_the_deployment_unless_it_is_written(read, keys, mttr):
    assert read(a_file(**keys)).mttr == mttr


def test_a_release_says_of_a_job_whether_it_may_be_run_again(read):
    told = {"migrate": "again", "seed": "once"}

    assert read(a_file(jobs=told)).jobs == told
    assert read(a_file()).jobs == {}
    with pytest.raises(Refused, match='"maybe" is not one of: once, again'):
        read(a_file(jobs={"migrate": "maybe"}))


def test_a_release_may_say_when_it_need_not_stay_restorable(read):
    assert read(a_file()).retention == ""
    assert read(a_file(retention="after 5")).retention == "after 5"
    for wrong in ("after 2", "after", "5", "never"):
        with pytest.raises(
            Refused, match="is not `ask` or `after N`, N being how many"
        ):
            read(a_file(retention=wrong))


@pytest.mark.parametrize("scrape_s", [5, 15, 30, 60])
@pytest.mark.parametrize("key", ["for", "window"])
def test_five_minutes_can_be_written_at_every_usual_scrape(read_trigger, scrape_s, key):
    raw = without(HTTP_5XX, "for") | {key: "5m"}

    trigger = read_trigger(raw, scrape=scrape_s * SECOND)

    assert (trigger.window, trigger.block) == (5 * MINUTE, scrape_s * SECOND)


def test_four_scrapes_are_the_least(read_trigger):
    assert read_trigger(HTTP_5XX | {"for": "61s"}, scrape=SCRAPE).window == 61 * SECOND
    with pytest.raises(Refused) as refused:
        read_trigger(HTTP_5XX | {"for": "59s"}, scrape=SCRAPE)
    (fault,) = refused.value.faults
    assert fault.path == "triggers[0].for"
    assert fault.words == "59s holds 3 scrapes, 15s apart; meant 4 or more"
    assert fault.hint == "write `for: 1m` or more"


GROWING = {
    "alert": "Growing",
    "queue": {"depth": "d", "enqueued": "e", "drained": "o"},
    "growing_for": "15m",
    "action": "pause-and-alert",
}


@example(window_s=5, block_s=1, scrape_s=1)
@given(
    window_s=st.integers(1, 7200),
    block_s=st.none() | st.integers(1, 900),
    scrape_s=st.integers(1, 60),
)
def test_blocks_fit_their_window_or_the_hint_is_one_that_does(
    shelf, window_s, block_s, scrape_s
):
    scrape = scrape_s * SECOND
    path = shelf / "v1.3.0.yaml"

    def read(time, block):
        times = {"growing_for": time} | ({"block": block} if block else {})
        path.write_text(yaml.safe_dump(a_file(GROWING | times)))
        return load_release(path, scrape).triggers[0]

    def is_fit(trigger):
        blocks, rest = divmod(trigger.window, trigger.block)
        return not rest and blocks >= 5 and trigger.block >= 2 * scrape

    time, block = f"{window_s}s", f"{block_s}s" if block_s else ""
    try:
        assert is_fit(read(time, block))
    except Refused as refused:
        (fault,) = refused.faults
        cures = fault.hint.removeprefix("write ").split(" or ")
    else:
        cures = []
    for cure in cures:
        written = {"growing_for": time} | ({"block": block} if block else {})
        written |= dict(part.strip("`").split(": ") for part in cure.split(" with "))
        assert is_fit(read(written["growing_for"], written.get("block")))


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("confidence", "99.9%", "some thousand times likelier from a failing release"),
        ("min_blocks_hit", 3, "two scrapes 15s apart or more must agree"),
        ("confirm_polls", 2, "two polls read the same scrape"),
        ("dispersion", "auto", "singly, in batches of up to eight, or mixed"),
    ],
)
def test_a_key_of_the_earlier_judge_is_refused_and_says_what_decides_now(
    read, key, value, words
):
    for raw, at in (
        (a_file(HTTP_5XX | {key: value}), f"triggers[0].{key}"),
        (a_file(GROWING | {key: value}), f"triggers[0].{key}"),
        (a_file(HTTP_5XX, defaults={key: value}), f"defaults.{key}"),
    ):
        with pytest.raises(Refused) as refused:
            read(raw)
        (fault,) = refused.value.faults
        assert (fault.path, fault.hint) == (at, "leave it out")
        assert fault.words.startswith("decides nothing any more: ")
        assert words in fault.words


def test_the_blocks_of_what_is_counted_are_refused_and_a_queue_has_its_own(
    read_trigger,
):
    with pytest.raises(Refused) as refused:
        read_trigger(HTTP_5XX | {"block": "1m"})
    (fault,) = refused.value.faults
    assert fault.path == "triggers[0].block"
    assert "what counts events is read scrape by scrape" in fault.words
    assert read_trigger(GROWING | {"block": "1m"}).block == MINUTE


# A folder of files.


@pytest.fixture
def folder(tmp_path):
    def folder(**files):
        for stem, raw in files.items():
            path = tmp_path / f"{stem.replace('_', '.')}.yaml"
            path.write_text(yaml.safe_dump(raw))
        return tmp_path

    return folder


def a_default(**keys):
    return {
        "manifests": {"meesho": "meesho.{version}.manifest.json"},
        "dri": [ASHA],
        "triggers": [DMS_DOWN],
    } | keys


def test_a_version_has_its_own_file_or_its_releases_or_the_default(folder):
    releases = load_releases(
        folder(v1_3_0=a_file(), default=a_default()), SCRAPE, [ASHA]
    )

    def found(version):
        release = releases.for_version(version)
        return release.version, release.manifests["meesho"]

    assert found("v1.3.0") == ("v1.3.0", "meesho.v1.3.0.manifest.json")
    assert found("v1.3.0-4f9c2ab") == ("v1.3.0", "meesho.v1.3.0.manifest.json")
    assert found("v1.4.0") == ("", "meesho.v1.4.0.manifest.json")
    assert found("v1.3.0-rc1") == ("", "meesho.v1.3.0-rc1.manifest.json")
    assert releases.for_version("v1.4.0").is_default


def test_without_a_default_an_unknown_version_has_no_file(folder):
    releases = load_releases(folder(v1_3_0=a_file()), SCRAPE, [ASHA])

    assert releases.for_version("v1.4.0") is None


def test_the_faults_of_all_files_are_told_at_once(folder):
    where = folder(
        v1_3_0=a_file(deployment="moon"),
        v1_2_0=a_file(),
        default=a_default(dri=[]),
    )

    with pytest.raises(AllRefused) as refused:
        load_releases(where, SCRAPE, [ASHA])

    assert str(refused.value).replace(f"{where}/", "") == (
        "default.yaml refused, 1 fault\n"
        "  dri  is missing; name who decides about this release\n"
        "v1.2.0.yaml refused, 1 fault\n"
        '  release  "v1.3.0" is not the file\'s name, "v1.2.0"; '
        "name the file after its release\n"
        "v1.3.0.yaml refused, 1 fault\n"
        '  deployment  "moon" is not one of: cloud, on-prem'
    )
    assert [fault.path for fault in refused.value.faults] == [
        "default.yaml: dri",
        "v1.2.0.yaml: release",
        "v1.3.0.yaml: deployment",
    ]


def test_a_file_with_the_other_ending_is_refused_not_overlooked(folder):
    where = folder(v1_3_0=a_file())
    (where / "v1.3.0.yaml").rename(where / "v1.3.0.yml")

    with pytest.raises(AllRefused, match=r"ends in \.yml; name it"):
        load_releases(where, SCRAPE, [ASHA])


def test_hidden_and_other_files_are_not_ours(folder):
    where = folder()
    (where / ".v1.3.0.yaml").write_text("half written")
    (where / "README.md").write_text("read me")

    assert load_releases(where, SCRAPE, [ASHA]) == Releases({}, None)


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(AllRefused, match="no such file or directory; see `releases`"):
        load_releases(tmp_path / "releases", SCRAPE, [ASHA])


# Whose doing a breach is.


def test_the_baseline_is_an_hour_unless_it_is_written(read):
    raw = a_file(
        HTTP_5XX | {"baseline": {"worse_by": 3}},
        DMS_DOWN,
        {
            "alert": "Other",
            "ratio": {"errors": "e", "total": "t"},
            "above": "1%",
            "window": "5m",
            "action": "pause-and-alert",
            "baseline": {"missing": "ignore"},
        },
        defaults={"baseline": {"window": "30m", "missing": "pause"}},
    )

    one, two, three = (trigger.baseline for trigger in read(raw).triggers)
    assert one == Baseline(window=30 * MINUTE, worse_by=3.0)
    assert two == Baseline(window=30 * MINUTE)
    assert three == Baseline(window=30 * MINUTE, missing=Missing.IGNORE)
    assert Baseline() == Baseline(60 * MINUTE, 1.5, 0.99, Missing.PAUSE)


def test_an_outside_cause_and_a_label_are_read(read_trigger):
    trigger = read_trigger(HTTP_5XX | {"unless": "carrier == 0", "by": "tenant"})

    assert (trigger.unless, trigger.by) == ("carrier == 0", "tenant")


def test_what_means_nothing_to_a_kind_may_stand_in_defaults(read):
    care = {"min_samples": 9, "min_growth": 9, "coverage": "90%"}
    care |= {"baseline": {"worse_by": 2}}

    assert len(read(a_file(HTTP_5XX, DMS_DOWN, GROWING, defaults=care)).triggers) == 3


# Units of a latency.


@pytest.mark.parametrize(
    ("written", "kind", "words"),
    [
        (
            {"histogram": "h_seconds", "over": "500ms"},
            Latency("h_seconds", SECOND / 2, 0.95),
            "slower than 500ms",
        ),
        (
            {"histogram": "h_milliseconds{a='b'}", "over": "1500ms"},
            Latency("h_milliseconds{a='b'}", 1.5 * SECOND, 0.95, "ms"),
            "slower than 1.5s",
        ),
        (
            {"histogram": "h", "over": "500ms", "unit": "ms"},
            Latency("h", SECOND / 2, 0.95, "ms"),
            "slower than 500ms",
        ),
        (
            {"histogram": "h", "over": 0.25, "unit": "ms"},
            Latency("h", Decimal("0.25"), 0.95, "ms"),
            "slower than 0.25ms",
        ),
        (
            {"histogram": "sizes_bytes", "over": 1048576},
            Latency("sizes_bytes", Decimal(1048576), 0.95, "bytes"),
            "over 1048576 bytes",
        ),
        (
            {"histogram": "in_a_batch", "over": "1e6", "unit": "parcels"},
            Latency("in_a_batch", Decimal(10**6), 0.95, "parcels"),
            "over 1000000 parcels",
        ),
        (
            {"histogram": "in_a_batch", "over": 20},
            Latency("in_a_batch", Decimal(20), 0.95, ""),
            "over 20",
        ),
    ],
    ids=str,
)
def test_a_latency_is_in_the_unit_of_its_histogram(written, kind, words, read_trigger):
    raw = without(HTTP_5XX, "ratio", "above") | {
        "latency": written | {"quantile": 0.95}
    }
    read = read_trigger(raw)

    assert read.kind == kind
    assert kind.words == words


@pytest.mark.parametrize(
    ("over", "unit", "bound"),
    [
        (SECOND / 2, "s", "0.5"),
        (SECOND / 2, "ms", "500"),
        (SECOND / 2, "us", "500000"),
        (SECOND / 2, "ns", "500000000"),
        (Decimal(1024), "bytes", "1024"),
    ],
)
def test_a_bound_is_looked_for_as_its_bucket_has_it(over, unit, bound):
    assert Latency("h", over, 0.95, unit).bound == Decimal(bound)


def test_errors_may_be_counted_beside_the_good_events(read_trigger):
    raw = HTTP_5XX | {"ratio": {"errors": "failed", "good": "succeeded"}}

    assert read_trigger(raw).kind == Ratio("failed", "", "succeeded")


# Several images, and none of manifests.

SEVERAL = {
    "web": "ghcr.io/flexli/dms:v1.3.0",
    "ml": "ghcr.io/flexli/dms-ml:v1.3.0-cuda",
    "cache": "ghcr.io/flexli/cache@sha256:" + "a" * 64,
}


def of_several(**more):
    return without(a_file(), "image") | {"images": SEVERAL} | more


def test_a_release_may_be_several_images_by_service(read):
    release = read(of_several())

    assert (release.image, release.images) == ("", SEVERAL)


def test_a_release_of_one_image_is_written_as_ever(read):
    assert (read(a_file()).images, read(a_file()).image) == ({}, a_file()["image"])


@pytest.mark.parametrize("tag", ["", ":latest"])
def test_a_release_that_is_an_image_by_its_digest_is_called_by_that(tmp_path, tag):
    """As what runs is called: `watchdog init` writes such files."""
    image = f"ghcr.io/flexli/dms{tag}@sha256:{'9' * 64}"
    named = {"meesho": f"meesho.{'9' * 12}.manifest.json"}
    whole = a_file() | {"release": "9" * 12, "image": image, "manifests": named}
    path = tmp_path / f"{'9' * 12}.yaml"
    path.write_text(yaml.safe_dump(whole))

    release = load_release(path, SCRAPE, [ASHA])

    assert (release.version, release.image) == ("9" * 12, image)


def test_a_manifest_that_names_its_tenant_alone_lacks_the_version(tmp_path):
    path = tmp_path / "1.2.0-4f9c2ab.yaml"
    other = {"manifests": {"meesho": "meesho.1.2.0.manifest.json"}}
    path.write_text(yaml.safe_dump(a_file() | other))

    with pytest.raises(Refused, match=r"does not name v1\.3\.0; write"):
        load_release(path, SCRAPE, [ASHA])


def test_a_tag_that_says_more_than_the_release_is_told_how_to_be_named(tmp_path):
    path = tmp_path / "v1.3.0.yaml"
    slim = "ghcr.io/flexli/dms:v1.3.0-slim"
    path.write_text(yaml.safe_dump(a_file() | {"image": slim}))
    with pytest.raises(Refused, match=r"call the release v1\.3\.0-slim, or write"):
        load_release(path, SCRAPE, [ASHA])

    mended = without(a_file(), "image") | {"images": {"dms": slim}}
    path.write_text(yaml.safe_dump(mended))

    assert load_release(path, SCRAPE, [ASHA]).images == {"dms": slim}


def test_an_image_of_a_service_that_is_not_enrolled_is_refused(tmp_path):
    path = tmp_path / "v1.3.0.yaml"
    path.write_text(yaml.safe_dump(of_several()))

    with pytest.raises(Refused, match=r'"cache" is not in stack\.services'):
        load_release(path, SCRAPE, services=("web", "ml"))


def test_the_versions_that_name_an_image_are_known_by_service(read):
    releases = Releases({"v1.3.0": read(of_several())})

    assert releases.naming("ml", SEVERAL["ml"]) == ("v1.3.0",)
    assert releases.naming("ml", f"{SEVERAL['ml']}@sha256:{'b' * 64}") == ("v1.3.0",)
    assert releases.naming("ml", "ghcr.io/flexli/dms-ml:v1.3.0") == ()
    assert releases.naming("web", SEVERAL["ml"]) == ()


def test_a_release_may_say_that_it_has_no_manifests(read):
    assert read(a_file(manifests={})).manifests == {}


@pytest.mark.parametrize("name", ["v1.3.0", "default"])
def test_where_the_stack_has_none_no_file_need_say_so(name, tmp_path):
    path = tmp_path / f"{name}.yaml"
    raw = without(a_file(), "manifests")
    if name == "default":
        raw = {k: v for k, v in raw.items() if k in ("dri", "triggers")}
    path.write_text(yaml.safe_dump(raw))

    assert load_release(path, SCRAPE, bare=True).manifests == {}
    with pytest.raises(Refused, match=r"manifests +is missing"):
        load_release(path, SCRAPE)


def test_manifests_are_refused_where_the_stack_has_none(tmp_path):
    path = tmp_path / "v1.3.0.yaml"
    path.write_text(yaml.safe_dump(a_file()))

    with pytest.raises(Refused, match=r"stack\.manifests is none"):
        load_release(path, SCRAPE, bare=True)
