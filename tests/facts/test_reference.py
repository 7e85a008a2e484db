"""Image references, by the field's grammar."""

import pytest

from watchdog.facts.reference import Reference, parse

SHA = "sha256:" + "ab" * 32
LONG = "sha512:" + "0f" * 64


@pytest.mark.parametrize(
    ("text", "name", "tag", "digest"),
    [
        ("app", "app", "", ""),
        ("app:v1.2.0", "app", "v1.2.0", ""),
        ("app:5000", "app", "5000", ""),
        ("a:1", "a", "1", ""),
        ("team/app:v1", "team/app", "v1", ""),
        ("reg.example/app", "reg.example/app", "", ""),
        ("reg.example:5000/app", "reg.example:5000/app", "", ""),
        ("reg.example:5000/app:v1", "reg.example:5000/app", "v1", ""),
        (f"reg.example:5000/app@{SHA}", "reg.example:5000/app", "", SHA),
        (f"reg.example:5000/app:v1@{SHA}", "reg.example:5000/app", "v1", SHA),
        (f"app@{SHA}", "app", "", SHA),
        (f"app:v1@{SHA}", "app", "v1", SHA),
        (f"app@{LONG}", "app", "", LONG),
        ("localhost/app", "localhost/app", "", ""),
        ("localhost:5000/app", "localhost:5000/app", "", ""),
        ("127.0.0.1:5055/flexli/dms:v1", "127.0.0.1:5055/flexli/dms", "v1", ""),
        ("[2001:db8::1]:5000/app:v1", "[2001:db8::1]:5000/app", "v1", ""),
        ("[::1]/app", "[::1]/app", "", ""),
        ("Reg.Example/app:v1", "Reg.Example/app", "v1", ""),
        ("REG/app", "REG/app", "", ""),
        ("reg-a.example.com/a/b/c/d:v1", "reg-a.example.com/a/b/c/d", "v1", ""),
        ("a__b/c-d/e.f/g_h:v1", "a__b/c-d/e.f/g_h", "v1", ""),
        ("team---x/app", "team---x/app", "", ""),
        ("xn--n3h.example/app", "xn--n3h.example/app", "", ""),
        ("app:" + "t" * 128, "app", "t" * 128, ""),
        ("app:_under.score-dash", "app", "_under.score-dash", ""),
        ("app:v1-4f9c2ab", "app", "v1-4f9c2ab", ""),
    ],
)
def test_a_reference_falls_into_its_parts(text, name, tag, digest):
    assert parse(text) == Reference(name, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":v1",
        "@" + SHA,
        "app:",
        "app@",
        "app:v1:v2",
        "app@v1",
        f"app@{SHA}:v1",
        "app@sha256:" + "a" * 63,
        "app@sha256:" + "A" * 64,
        "app@sha256:" + "g" * 64,
        "App",
        "App:v1",
        "reg.example/App",
        "app:.v1",
        "app:-v1",
        "app:" + "t" * 129,
        "app:v 1",
        "app:v1\n",
        "a//b",
        "/app",
        "app/",
        "-app",
        "app-",
        "app_",
        "a___b",
        "a..b",
        "reg.example:/app",
        "reg.example:port/app",
        "https://reg.example/app",
        "a/" + "b" * 300,
        "ab" * 32,
        SHA,
    ],
)
def test_what_no_engine_reads_as_a_name_is_none(text):
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "familiar"),
    [
        ("nginx", "nginx"),
        ("library/nginx", "nginx"),
        ("docker.io/library/nginx:1", "nginx"),
        ("docker.io/team/app", "team/app"),
        ("index.docker.io/team/app", "team/app"),
        ("docker.io/nginx", "nginx"),
        ("reg.example/library/nginx", "reg.example/library/nginx"),
    ],
)
def test_one_repository_has_one_name_however_it_is_written(text, familiar):
    found = parse(text)

    assert found is not None
    assert found.familiar == familiar


def test_a_version_is_the_tag_or_what_is_taken_for_want_of_one():
    named = [parse(t) for t in ("r:5000/a:v1", f"r:5000/a:v1@{SHA}", "r:5000/a")]

    assert [n.version if n else "" for n in named] == ["v1", "v1", "latest"]


def test_digests_of_another_repository_are_not_ours():
    ours = Reference("docker.io/library/app", "v1")

    assert ours.names(f"app@{SHA}")
    assert not ours.names(f"reg.example:5000/app@{SHA}")
    assert not ours.names(f"app-else@{SHA}")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("app", "latest"),
        ("app:v1", "v1"),
        (f"app:v1@sha256:{'a' * 64}", "v1"),
        (f"app@sha256:{'a' * 64}", "a" * 12),
        (f"app:latest@sha256:{'a' * 64}", "a" * 12),
    ],
)
def test_a_version_is_what_tells_releases_apart(text, version):
    assert parse(text).version == version
