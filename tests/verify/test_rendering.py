"""What Compose would make, held against what ran: the pair first, then the rest."""

from dataclasses import replace

from watchdog.facts.pair import Replica
from watchdog.facts.rendering import Rendered
from watchdog.verify.rendering import differences, followers

HASH = "com.docker.compose.config-hash"


def ran(image="app:v1", hash_="h1", **host):
    body = {"Image": image, "Labels": {HASH: hash_}, "HostConfig": host}
    return Replica("app", "shop-app-1", body, {})


def made(image="app:v1", hash_="h1", **binds):
    return Rendered(image, {f"/{k}": v for k, v in binds.items()}, {}, hash_)


def said(replica, **services):
    return [(d.what, d.parts_the_pair) for d in differences([replica], services)]


def test_what_is_made_as_it_ran_differs_in_nothing():
    mounted = ran(Binds=["/srv/a:/a:ro", "volume:/v"], Mounts=[])

    assert said(mounted, app=made(a="/srv/a")) == []


def test_another_image_another_mount_and_no_service_part_the_pair():
    mounted = ran(Mounts=[{"Type": "bind", "Source": "/srv/a", "Target": "/a"}])

    assert said(ran(), app=made(image="app:v2")) == [("image", True)]
    assert said(mounted, app=made(a="/srv/b")) == [("mount", True)]
    assert said(mounted, app=made()) == [("mount", True)]
    assert said(ran(), app=made(a="/srv/a")) == [("mount", True)]
    assert said(ran(), web=made()) == [("service", True)]


def test_other_settings_leave_the_pair_whole():
    assert said(ran(), app=made(hash_="h2")) == [("settings", False)]


def test_who_joins_another_container_has_a_hash_that_nobody_could_render():
    joins = replace(made(hash_="h2"), joins=True)

    assert said(ran(), app=joins) == []
    assert said(ran(), app=replace(joins, image="app:v2")) == [("image", True)]


def test_a_container_that_says_no_hash_is_held_against_none():
    assert said(ran(hash_=""), app=made(hash_="h2")) == []


def test_several_containers_of_a_service_are_told_once():
    found = differences([ran(), ran()], {"app": made(image="app:v2")})

    assert [d.words for d in found] == ["app would be app:v2, and ran app:v1"]


def test_services_beside_the_enrolled_ones_that_a_pin_changes_are_found():
    now = {"app": made(), "web": made(hash_="w1"), "db": made("pg", "d1"), "x": made()}
    then = {
        "app": made(image="app:v2"),
        "web": made("app:v2", "w2"),
        "db": made("pg", "d2"),
        "x": made(),
    }

    assert followers(now, then, ("app",)) == (("db", False), ("web", True))
