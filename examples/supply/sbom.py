"""Write the bill of materials of the image, as CycloneDX 1.6 in JSON.

The Python part is what the lock file names, with the hashes that a build accepts for
each; licences are those that an installed copy states. The images that ours is made
from are named by digest. With --image the Debian packages of that image are listed too.
"""

import argparse
import json
import re
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.markers import Marker
from pin_images import images as pinned

_PINNED = re.compile(
    r"^([A-Za-z0-9._-]+)(?:\[[^]]*])?==([^\s;\\]+)(?:\s*;\s*([^\\]*?))?\s*\\?$"
)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_SPACE = uuid.uuid5(uuid.NAMESPACE_URL, "dms-rollback-watchdog/sbom")
_IMAGES = Path(__file__).with_name("images.env")
_INSIDE = ("PYTHON_IMAGE", "COMPOSE_IMAGE")
_DPKG = "${Package}\t${Version}\t${Architecture}\n"


def locked(text: str) -> Iterator[tuple[str, str, str, list[str]]]:
    """Give (name, version, marker, sha256s) of each package in a lock file."""
    for whole in re.split(r"\n(?=[A-Za-z0-9])", text):
        found = _PINNED.match(whole.partition("\n")[0])
        if found:
            yield found[1], found[2], (found[3] or "").strip(), _HASH.findall(whole)


def holds(marker: str) -> bool:
    """Tell whether a package with *marker* is installed in the image."""
    image = {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"}
    return not marker or Marker(marker).evaluate(image)


def library(name: str, version: str, marker: str, hashes: list[str]) -> dict[str, Any]:
    """Describe one package of the lock file."""
    purl = f"pkg:pypi/{re.sub(r'[-_.]+', '-', name).lower()}@{version}"
    made: dict[str, Any] = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        # One for each file that the lock accepts: the platform's wheel is one of them.
        "hashes": [{"alg": "SHA-256", "content": sha} for sha in sorted(set(hashes))],
    }
    licence = _licence(name, version)
    if licence:
        made["licenses"] = [licence]
    if not holds(marker):
        made["scope"] = "excluded"  # not in the image: another system's
    if marker:
        made["properties"] = [{"name": "python:marker", "value": marker}]
    return made


def _licence(name: str, version: str) -> dict[str, Any] | None:
    try:
        said = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    if said["Version"] != version:
        return None
    if said["License-Expression"]:
        return {"expression": said["License-Expression"]}
    named = [
        one.rpartition(" :: ")[2]
        for one in said.get_all("Classifier") or ()
        if one.startswith("License :: OSI Approved :: ")
    ]
    text = named[0] if named else (said["License"] or "").partition("\n")[0][:100]
    return {"license": {"name": text}} if text else None


def debian(image: str) -> list[dict[str, Any]]:
    """List the Debian packages of *image*, which runs for that, without a network."""
    inside = ["--entrypoint", "dpkg-query", image, "-W", "-f", _DPKG]
    done = subprocess.run(
        ["docker", "run", "--rm", "--network", "none", *inside],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(
            f"the packages of {image} cannot be read: {done.stderr.strip()}"
        )
    made = []
    for line in sorted(set(done.stdout.splitlines())):
        name, version, machine = line.split("\t")
        purl = f"pkg:deb/debian/{name}@{version}?arch={machine}"
        made.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
            }
        )
    return made


def container(ref: str, digest: str) -> dict[str, Any]:
    """Describe an image that ours is made from, by its digest where it has one."""
    name, _, tag = ref.rpartition(":")
    purl = f"pkg:oci/{name.rpartition('/')[2]}{digest.replace(':', '%3A')}?tag={tag}"
    return {
        "type": "container",
        "bom-ref": purl,
        "name": name,
        "version": f"{tag}{digest}",
        "purl": purl,
    }


def bill(
    lock: str, version: str, system: list[dict[str, Any]], images: str
) -> dict[str, Any]:
    """Put the whole list together; the same input gives the same list.

    It never says that it is complete: of the images that ours is made from it has
    the digests, and not what they hold besides Debian's packages.
    """
    parts = [library(*one) for one in locked(lock)]
    made_from = [container(*one[1:]) for one in pinned(images) if one[0] in _INSIDE]
    product = {
        "type": "application",
        "bom-ref": "dms-rollback-watchdog",
        "name": "dms-rollback-watchdog",
        "version": version,
    }
    whole = [*parts, *system, *made_from]
    refs = [part["bom-ref"] for part in whole]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, json.dumps(whole))}",
        "version": 1,
        "metadata": {"component": product},
        "components": whole,
        "dependencies": [{"ref": product["bom-ref"], "dependsOn": refs}],
        "compositions": [
            {
                "aggregate": "incomplete",
                "assemblies": [product["bom-ref"]],
            }
        ],
    }


def main() -> int:
    """Write it where it is told."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("lock", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--version", required=True)
    parser.add_argument("--image", default="", help="list its Debian packages too")
    given = parser.parse_args()
    system = debian(given.image) if given.image else []
    made = bill(given.lock.read_text(), given.version, system, _IMAGES.read_text())
    given.out.write_text(json.dumps(made, indent=2) + "\n")
    kinds = Counter(one["purl"].partition("/")[0] for one in made["components"])
    besides = f"{kinds['pkg:deb']} of Debian" if given.image else "none of Debian"
    sys.stdout.write(
        f"{given.out}: {kinds['pkg:pypi']} Python packages, {besides}, and the digests "
        f"of {kinds['pkg:oci']} images that ours is made from\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
