"""Whether the images of several services are one release, and which."""

from collections.abc import Mapping, Sequence

from watchdog.facts.pair import Part


def shared_version(
    refs: Mapping[str, str],
    images: Mapping[str, str],
    names: Mapping[str, Sequence[str]],
) -> str:
    """Give the version that every service may be of; empty where there is none.

    By service: *refs* are what Compose calls the *images*, *names* the versions that
    each may be of: those whose release files name it, or else the one that its own
    tag says. Half a deployment has none in common, whatever it is made of.
    """
    meant = {(ref, images[service]) for service, ref in refs.items()}
    if len(meant) > len(set(refs.values())):
        return ""  # one name, and it meant something else a moment ago
    first, *rest = names.values()
    common = [name for name in first if all(name in other for other in rest)]
    if common or len(set(images.values())) > 1:
        return common[0] if common else ""
    return names[min(refs, key=lambda service: refs[service])][0]


def is_one_release(parts: Sequence[Part]) -> bool:
    """Tell whether containers run the images of one release, each service its own."""
    images = {part.service: part.image for part in parts}
    if any(part.image != images[part.service] for part in parts):
        return False
    refs = {part.service: part.image_ref for part in parts}
    names = {part.service: part.names or (part.version,) for part in parts}
    return bool(shared_version(refs, images, names))


def apart(project: str, refs: Mapping[str, str]) -> str:
    """Say that the images *refs*, by service, are not of one release."""
    each = ", ".join(f"{service} {ref}" for service, ref in refs.items())
    return (
        f"split: the services of {project} run images of several versions ({each}): "
        "half a deployment, or one release whose file has yet to name them under "
        "`images:`"
    )
