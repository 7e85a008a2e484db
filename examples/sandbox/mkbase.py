#!/usr/bin/env python3
"""Build a stand-in for python:X.Y-slim from this Debian host, without a download.

    mkbase.py PYTHON > rootfs.tar        (a tar for `docker import`)

The Debian part is cloned from the host's installed packages (by dpkg's own file
lists); the interpreter is the tree that PYTHON runs from, put under /usr/local.
The host's users, package sources, pip settings and own CA certificates stay out.
"""

# Paths here are names in a tar and in dpkg's lists: text, not files.
# ruff: noqa: PTH112, PTH114, PTH115, PTH118, PTH120

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path

# What python:X.Y-slim has, and what its interpreter is linked to.
PACKAGES = (
    "base-files base-passwd bash coreutils dash debianutils diffutils findutils "
    "grep gzip hostname libc-bin login passwd sed tar util-linux mawk ncurses- "
    "base ncurses-bin perl-base sysvinit-utils init-system-helpers dpkg tzdata "
    "netbase ca-certificates openssl libssl3 libsqlite3-0 libffi8 zlib1g "
    "libbz2-1.0 liblzma5 libncursesw6 libtinfo6 libreadline8 libuuid1 libexpat1 "
    "libgdbm6 libnsl2 libtirpc3"
)
LEFT_OUT = re.compile(
    r"^/usr/share/(doc|man|info|locale|lintian|bug|bash-completion|zoneinfo/right)/"
    r"|^(/usr)?/lib/udev|^/etc/apt/|/EXTERNALLY-MANAGED$"
)
# Files that would tell of the host; neutral ones are put in their place.
NEUTRAL = {
    "/etc/hostname": b"localhost\n",
    "/etc/nsswitch.conf": b"passwd: files\ngroup: files\nhosts: files dns\n",
    "/etc/shadow": b"root:*:19700:0:99999:7:::\n",
    "/etc/gshadow": b"root:*::\n",
}
ASK = """import json, os, sys, sysconfig
print(json.dumps({
    "prefix": os.path.realpath(sys.base_prefix),
    "version": "%d.%d" % sys.version_info[:2],
    "stdlib": os.path.realpath(sysconfig.get_path("stdlib")),
}))"""

PIP = b"""#!/usr/local/bin/python
import sys
from pip._internal.cli.main import main
sys.exit(main())
"""


class Tree:
    """A tar on its way out, in which no path comes twice and parents come first."""

    def __init__(self) -> None:
        self.tar = tarfile.open(  # noqa: SIM115 - closed by main, at the end of the stream
            fileobj=sys.stdout.buffer, mode="w|", format=tarfile.GNU_FORMAT
        )
        self.seen: set[str] = set()

    def folder(self, path: str, mode: int = 0o755) -> None:
        """Add an empty folder that the host need not have."""
        if path in self.seen or path == "/":
            return
        self.folder(os.path.dirname(path))
        self.seen.add(path)
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(entry)

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file with content of our own."""
        if path in self.seen:
            return
        self.seen.add(path)
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.size, entry.mode, entry.mtime = len(data), mode, int(time.time())
        self.tar.addfile(entry, io.BytesIO(data))

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link of our own."""
        self.folder(os.path.dirname(path))
        self.seen.add(path)
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, target
        self.tar.addfile(entry)

    def copy(self, source: str, path: str) -> None:
        """Add the host's *source* (file, link or bare folder) as *path*."""
        if path in self.seen or not os.path.lexists(source):
            return
        parent = os.path.dirname(path)
        if parent not in self.seen and parent != "/":
            if os.path.isdir(parent):  # with the host's own mode and owner
                self.copy(parent, parent)
            self.folder(parent)
        self.seen.add(path)
        self.tar.add(source, path.lstrip("/"), recursive=False, filter=_nameless)


def _nameless(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uname = entry.gname = ""
    return entry


def closure(names: list[str]) -> dict[str, tuple[dict[str, str], str]]:
    """Give the installed packages that *names* need: fields, dpkg's paragraph."""
    installed: dict[str, tuple[dict[str, str], str]] = {}
    provided: dict[str, str] = {}
    status = Path("/var/lib/dpkg/status").read_text(encoding="utf-8")
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+):[ ]?(.*)$", paragraph, re.MULTILINE))
        if fields.get("Status", "").endswith(" installed"):
            installed.setdefault(fields["Package"], (fields, paragraph))
            for name in re.findall(
                r"([a-z0-9.+-]+)(?:\s*\(.*?\))?(?:,|$)", fields.get("Provides", "")
            ):
                provided.setdefault(name, fields["Package"])
    todo, found = list(names), {}
    while todo:
        name = todo.pop()
        name = name if name in installed else provided.get(name, "")
        if not name or name in found:
            continue
        found[name] = installed[name]
        needs = ",".join(
            installed[name][0].get(k, "") for k in ("Depends", "Pre-Depends")
        )
        for choice in filter(str.strip, needs.split(",")):
            for option in choice.split("|"):
                first = re.match(r"\s*([a-z0-9.+-]+)", option)
                if first and (first[1] in installed or first[1] in provided):
                    todo.append(first[1])
                    break
    return found


def debian(tree: Tree, packages: dict[str, tuple[dict[str, str], str]]) -> None:
    """Add the files of *packages*, and neutral ones where a file tells of the host."""
    listed: set[str] = set()
    info = Path("/var/lib/dpkg/info")
    for name, (fields, _) in packages.items():
        for stem in (name, f"{name}:{fields['Architecture']}"):
            if (info / f"{stem}.list").is_file():
                listed.update((info / f"{stem}.list").read_text().splitlines())
                break
    real = set()
    for path in listed:
        kept = not LEFT_OUT.search(path + ("/" if os.path.isdir(path) else ""))
        if path.startswith("/") and path != "/." and kept and os.path.lexists(path):
            head, tail = os.path.split(path)
            real.add(os.path.join(os.path.realpath(head), tail))
    links = [e for d in ("/usr/bin", "/usr/sbin") for e in os.scandir(d)]
    for entry in os.scandir("/etc/alternatives"):
        if os.path.realpath(entry.path) in real:  # awk, which, …
            real.add(entry.path)
            real.update(
                e.path
                for e in links
                if e.is_symlink() and os.readlink(e.path) == entry.path
            )
    merged = ("/bin", "/sbin", "/lib", "/lib64")
    for link in merged:
        if os.path.islink(link):
            tree.copy(link, link)
    for folder, mode in {"/tmp": 0o1777, "/var/tmp": 0o1777, "/root": 0o700}.items():
        tree.folder(folder, mode)
    for folder in ("/run", "/home", "/proc", "/sys", "/dev", "/var/lib/dpkg"):
        tree.folder(folder)
    for folder in ("/var/cache", "/var/log", "/etc/ssl/certs"):
        tree.folder(folder)
    master = Path("/usr/share/base-passwd")
    tree.put("/etc/passwd", (master / "passwd.master").read_bytes())
    tree.put("/etc/group", (master / "group.master").read_bytes())
    for name, data in NEUTRAL.items():
        tree.put(name, data, 0o640 if "shadow" in name else 0o644)
    status = "\n\n".join(p.strip("\n") for _, p in packages.values()) + "\n\n"
    tree.put("/var/lib/dpkg/status", status.encode())
    # Mozilla's certificates only: the host's bundle may hold its own.
    mozilla = Path("/usr/share/ca-certificates/mozilla")
    bundle = b"".join(p.read_bytes() for p in sorted(mozilla.glob("*.crt")))
    tree.put("/etc/ssl/certs/ca-certificates.crt", bundle)
    for name in sorted(real - {"/etc/resolv.conf", "/etc/hosts"}):
        tree.copy(name, name)


def main() -> None:
    """Write the tar to stdout."""
    python = sys.argv[1]
    told = json.loads(subprocess.check_output([python, "-Ic", ASK]))
    tree = Tree()
    if told["prefix"] == "/usr":
        # Debian's own: patched to live in /usr, so its packages are what is cloned.
        debian(tree, closure([*PACKAGES.split(), "python3", "python3-pip"]))
        tree.put("/usr/local/bin/pip", PIP, 0o755)
        tree.link("/usr/local/bin/python", "/usr/bin/python3")
    else:
        debian(tree, closure(PACKAGES.split()))
        interpreter(tree, python, told)
    tree.tar.close()


def interpreter(tree: Tree, python: str, told: dict[str, str]) -> None:
    """Add the tree that *python* runs from as /usr/local, with a pip of its own."""
    prefix, version, stdlib = told["prefix"], told["version"], told["stdlib"]
    name = f"python{version}"
    drop = re.compile(
        r"(^|/)(test|idlelib|turtledemo|lib2to3|__pycache__|config-[^/]*)(/|$)|\.a$"
    )

    def walk(source: str, target: str, keep: re.Pattern[str] | None = None) -> None:
        for root, folders, files in os.walk(source):
            inside = os.path.relpath(root, source)
            folders[:] = sorted(
                d
                for d in folders
                if not drop.search(f"{d}/")
                and not (keep and inside == "." and not keep.match(d))
            )
            linked = [d for d in folders if os.path.islink(os.path.join(root, d))]
            for file in sorted(files) + linked:
                if drop.search(file) or (
                    keep and inside == "." and not keep.match(file)
                ):
                    continue
                path = os.path.normpath(os.path.join(target, inside, file))
                tree.folder(os.path.dirname(path))
                tree.copy(os.path.join(root, file), path)

    lib = f"/usr/local/lib/{name}"
    # site-packages are the host's own affair, pip apart; a stray .pth would travel.
    walk(stdlib, lib, re.compile(r"(?!(site|dist)-packages$|sitecustomize|EXTERNALLY)"))
    for library in sorted(Path(prefix, "lib").glob("libpython3*.so*")):
        tree.copy(str(library), f"/usr/local/lib/{library.name}")
    real = os.path.realpath(Path(prefix, "bin", name))
    tree.folder("/usr/local/bin")
    tree.put(f"/usr/local/bin/{name}", Path(real).read_bytes(), 0o755)
    for link in ("python3", "python"):
        tree.link(f"/usr/local/bin/{link}", name)
    find_pip = "import os, pip; print(os.path.dirname(pip.__file__))"
    pip = subprocess.check_output([python, "-Ic", find_pip], text=True).strip()
    packages = f"{lib}/site-packages"
    walk(pip, f"{packages}/pip")
    for meta in Path(pip).parent.glob("pip-*.dist-info"):
        walk(str(meta), f"{packages}/{meta.name}")
    for command in ("pip", "pip3"):
        tree.put(f"/usr/local/bin/{command}", PIP, 0o755)


if __name__ == "__main__":
    main()
