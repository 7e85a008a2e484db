"""Real keys and real signatures, made by ssh-keygen."""

import shutil
import subprocess

import pytest

SPACE = "manifest@dms"


class Keyring:
    """Keys in *folder*; the lists of whose signatures count are files there too."""

    def __init__(self, folder):
        self._keygen = shutil.which("ssh-keygen")
        if self._keygen is None:
            pytest.skip("ssh-keygen is missing: install openssh-client")
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def run(self, *words, check=True, **more):
        return subprocess.run(
            [self._keygen, *words],
            cwd=self.folder,
            check=check,
            capture_output=True,
            env={"TZ": "UTC", "PATH": "/usr/bin:/bin"},
            **more,
        )

    def public(self, name="release", kind="ed25519"):
        """Give the public line of the key *name*, made when first asked for."""
        if not (self.folder / name).exists():
            self.run("-q", "-t", kind, "-N", "", "-C", "", "-f", name)
        return (self.folder / f"{name}.pub").read_text().strip()

    def line(self, name="release", options=""):
        return f"{name}@flexli.example {options} {self.public(name)}\n"

    def sign(self, data, name="release", space=SPACE, *more):
        self.public(name)
        (self.folder / "data").write_bytes(data)
        (self.folder / "data.sig").unlink(missing_ok=True)
        self.run("-q", "-Y", "sign", "-f", name, "-n", space, *more, "data")
        return (self.folder / "data.sig").read_bytes()

    def verifies(self, data, signature, allowed, revoked=b"", at="20260701120000Z"):
        """Tell whether ssh-keygen itself takes *signature* as of *at*."""
        for name, content in (
            ("allowed", allowed.encode()),
            ("revoked", revoked),
            ("its.sig", signature),
        ):
            (self.folder / name).write_bytes(content)
        words = ["-Y", "verify", "-f", "allowed", "-I", "release@flexli.example"]
        words += ["-n", SPACE, "-s", "its.sig", f"-Overify-time={at}"]
        words += ["-r", "revoked"] if revoked else []
        return self.run(*words, check=False, input=data).returncode == 0
