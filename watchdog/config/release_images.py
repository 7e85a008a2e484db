"""The images and the manifests that a release file names: its two halves."""

import re
from collections.abc import Collection, Iterator

from watchdog.config.filling import Filled
from watchdog.config.notation import in_words, one_of, seen
from watchdog.config.release_form import FileForm
from watchdog.facts.pair import is_named, says
from watchdog.facts.problem import Fault
from watchdog.facts.reference import parse

VERSION_HERE = "{version}"

_MANIFEST_END = ".manifest.json"
_SERVICE = re.compile(r"[A-Za-z0-9._-]+")


def faults_of_image(filled: Filled[FileForm], stem: str) -> Iterator[Fault]:
    """Say what is wrong with the one image of a release."""
    file = filled.value
    release = file.release or stem
    if not filled.is_right("image") or file.images is not None:
        return
    found = parse(file.image) if file.image else None
    if file.image is None:
        hint = "write `image: …:<release>`, or `images:` by service for several"
        yield Fault("image", "is missing", hint)
    elif not found:
        yield Fault("image", f"{seen(file.image)} is not name:tag, or with @sha256:…")
    elif found.version == release and (found.tag or found.digest):
        return
    elif found.version != found.tag:
        lacks = "is tagged latest" if found.tag else "has no tag"
        hint = f"end it in `:{stem}`"
        if found.digest:
            hint = (
                f"write `:{stem}` before its `@`, in the Compose file too, or call the "
                f"release {found.version}, as what runs is called"
            )
        yield Fault("image", f"{seen(file.image)} {lacks}", hint)
    else:
        hint = "one file is about one image"
        if _has(found.tag, release):
            hint = f"call the release {found.tag}, or write `images: {{SERVICE: …}}`"
        words = f"the tag is {seen(found.tag)}, the release {seen(release)}"
        yield Fault("image", words, hint)


def faults_of_images(
    filled: Filled[FileForm], stem: str, services: Collection[str]
) -> Iterator[Fault]:
    """Say what is wrong with several images; *services* are the enrolled ones."""
    file = filled.value
    release = file.release or stem
    if not filled.is_right("images") or file.images is None:
        return
    if file.image is not None:
        hint = "keep `image` for one image of all services, `images` for several"
        yield Fault("images", "stands beside image", hint)
    if not file.images:
        yield Fault("images", "names none", "write `service: name:tag` for each")
        return
    tags: list[str] = []
    for service, image in file.images.items():
        at, found = in_words(("images", service)), parse(image)
        if not _SERVICE.fullmatch(service):
            yield Fault(at, f"{seen(service)} is not a service's name")
        elif services and service not in services:
            hint = one_of(service, services) or f"enrolled: {', '.join(services)}"
            yield Fault(at, f"{seen(service)} is not in stack.services", hint)
        if not found:
            yield Fault(at, f"{seen(image)} is not name:tag, or with @sha256:…")
        elif not found.tag and not found.digest:
            yield Fault(at, f"{seen(image)} has no tag", f"end it in `:{stem}`")
        else:
            tags.append(found.tag)
    if len(tags) == len(file.images) and not any(_has(tag, release) for tag in tags):
        words = f"no image's tag says the release, {seen(release)}"
        yield Fault("images", words, "one file is about one release")


def faults_of_manifests(
    filled: Filled[FileForm], stem: str, *, is_default: bool, bare: bool
) -> Iterator[Fault]:
    """Say what is wrong with the manifests; *bare* when the stack has none."""
    file = filled.value
    if not filled.is_right("manifests"):
        return
    if file.manifests is None and not bare:
        hint = "name the manifest of every tenant, or write `{}` if there are none"
        yield Fault("manifests", "is missing", hint)
    if file.manifests and bare:
        hint = "leave them out, or name their folder there"
        yield Fault("manifests", "are named, and stack.manifests is none", hint)
    version = VERSION_HERE if is_default else (file.release or stem)
    tenants: dict[str, str] = {}
    for tenant, name in (file.manifests or {}).items():
        at = in_words(("manifests", tenant))
        hint = f"write `{tenant}.{version}{_MANIFEST_END}`"
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", tenant):
            yield Fault(at, f"{seen(tenant)} is not a tenant's name")
        elif not re.fullmatch(r"[A-Za-z0-9{][A-Za-z0-9._{}+-]*", name) or ".." in name:
            yield Fault(at, f"{seen(name)} is not a plain file name", hint)
        elif not name.endswith(_MANIFEST_END):
            yield Fault(at, f"{seen(name)} does not end in {_MANIFEST_END}", hint)
        elif not is_named(name, tenant, version):
            lost = version if says(name, tenant) else tenant
            yield Fault(at, f"{seen(name)} does not name {lost}", hint)
        elif re.search(r"[{}]", name.replace(version, "")):
            yield Fault(
                at, f"{seen(name)} has a placeholder that nobody fills in", hint
            )
        elif tenants.setdefault(name, tenant) != tenant:
            yield Fault(at, f"{seen(name)} is {tenants[name]}'s too", hint)


def _has(tag: str, release: str) -> bool:
    """Tell whether *tag* is *release* with words around it."""
    says = rf"(?<![A-Za-z0-9]){re.escape(release)}(?![A-Za-z0-9]|\.[0-9])"
    return re.search(says, tag) is not None
