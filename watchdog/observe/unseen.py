"""A pair that never ran here, as its image and its manifests are found on this box."""

import hashlib
from collections.abc import Callable

from watchdog.facts.pair import HeldImage, HeldManifest, Pair, Record, together
from watchdog.facts.problem import Problem
from watchdog.facts.reference import parse
from watchdog.facts.trigger import Release
from watchdog.outside.engine import Engine
from watchdog.outside.stack_folder import StackFolder


def found(
    engine: Engine,
    files: StackFolder,
    manifests: str,
    release: Release,
    like: Record,
    *,
    sealed: Callable[[Pair, HeldManifest, bytes, bytes], str],
) -> tuple[Record, dict[str, bytes]]:
    """Record the pair that *release* names, with the bytes that it needs.

    *manifests* is their folder. *like* is the record of what runs: it shows which
    image the stack takes, and where its containers hold a manifest. How containers of
    the pair are made is not known, so that only Compose can put it up.

    Raises:
        Problem: a half is not here, or is not the release's.
        Unreachable: the engine does not answer.
    """
    several = like.images or release.images
    each = like.each_image if several else like.each_image[:1]
    images = tuple(_image(engine, release, one) for one in each)
    blobs: dict[str, bytes] = {}
    held: list[HeldManifest] = []
    for tenant, file in sorted(release.manifests.items()):
        kept = f"{manifests}/{file}"
        data = files.read(kept)
        if data is None:
            raise Problem(f"{kept} is missing", "put the release's manifest there")
        signature = files.read(f"{kept}.sig") or b""
        digests = [hashlib.sha256(one).hexdigest() for one in (data, signature)]
        blobs |= dict(zip(digests, (data, signature), strict=True))
        held.append(HeldManifest(tenant, _place(like, tenant, kept), kept, *digests))
    code = together({s: one.image for one in images for s in one.services or ("",)})
    pair = Pair(release.version, code, tuple((m.tenant, m.sha256) for m in held))
    for one in held:
        sealed(pair, one, blobs[one.sha256], blobs[one.signature_sha256])
    record = Record(
        pair=pair,
        image_ref=images[0].ref,
        repo_digests=images[0].repo_digests,
        replicas=(),
        manifests=tuple(held),
        compose_version=like.compose_version,
        images=images if len(images) > 1 else (),
    )
    return record, blobs


def _image(engine: Engine, release: Release, like: HeldImage) -> HeldImage:
    """Find the image of *release* for the services of *like*, by name and digest."""
    written = release.image
    if release.images:
        own = {release.images.get(service, "") for service in like.services}
        written = own.pop() if len(own) == 1 else ""
    if not written:
        raise Problem(
            f"the release file of {release.version} does not name one image for "
            f"{' and '.join(like.services)}, which run {like.ref}",
            "write it under `images:` for each service",
        )
    named, ours = parse(written), parse(like.ref)
    if named is None or ours is None or named.familiar != ours.familiar:
        raise Problem(
            f"{release.version} is {written} by its release file, and the stack "
            f"runs images of {ours.name if ours else like.ref}",
            "name the image in the release file as the Compose file does",
        )
    ref = f"{named.name}:{named.tag}" if named.tag else written
    image = engine.image(ref)
    if image is None:
        raise Problem(
            f"the image {ref} is not here", f"`docker pull {ref}`, then again"
        )
    names = tuple(sorted(image.get("RepoDigests") or ()))
    here = {name.partition("@")[2] for name in names if named.names(name)}
    if named.digest and named.digest not in here:
        raise Problem(
            f"the image {ref} is {', '.join(names) or str(image['Id'])[:19]} here, "
            f"meant {named.digest[:19]}",
            f"`docker pull {written}`, and tag it {ref}",
        )
    return HeldImage(like.services, ref, str(image["Id"]), names)


def _place(like: Record, tenant: str, kept: str) -> str:
    """Say where a container will hold it: in the file that all share, or in its own."""
    shared = [
        m.path for m in like.manifests if m.tenant == tenant and m.path != m.kept_at
    ]
    return shared[0] if shared else kept
