"""A small application on a swarm that counts its scans, and fails some if it is bad.

It serves only with the manifest of its own version.
"""

import json
import subprocess

import yaml

PORT = 8080
GOOD = "v1.2.0"
SIGNER, NAMESPACE = "release@flexli.example", "manifest@dms"
_ANSWERS = r"""
read -r verb path rest
while read -r line; do line=${line%%%%?}; test -z "$line" && break; done
n=$(( ($(busybox date +%%s) - $(cat /tmp/since)) * 40 ))
case $path in
/metrics) said="dms_scans_total $n
dms_awb_routing_failures_total $((n / %(one_in)s))
";;
/version) said="{\"version\": \"$APP_VERSION\"}";;
*) said="{\"status\": \"ok\"}";;
esac
printf 'HTTP/1.0 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n'
printf 'Content-Length: %%s\r\n\r\n%%s' ${#said} "$said"
"""
_SERVES = """trap 'exit 0' TERM
grep -q $APP_VERSION /manifests/meesho.manifest.json || exit 3
busybox date +%%s >/tmp/since
cat >/tmp/answers <<'END'
%s
END
nc -ll -p 8080 -e sh /tmp/answers &
touch /tmp/well
while :; do sleep 0.1; done
"""


def command(one_in):
    """Give what the image of a version runs, which fails one scan of so many."""
    return _SERVES % (_ANSWERS % {"one_in": one_in})


class Stack:
    """Its files in *folder*, deployed by whoever calls."""

    def __init__(self, folder, project, image):
        self.folder, self.project, self.image = folder, project, image
        self.manifests = folder / "manifests"
        self.manifests.mkdir(parents=True)
        self._key = folder / "key"
        words = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self._key)
        subprocess.run(words, check=True)
        public = self._key.with_suffix(".pub").read_text()
        signers = self.manifests / "allowed_signers"
        signers.write_text(f'{SIGNER} namespaces="{NAMESPACE}" {public}')

    def files(self, version):
        """Write the stack's file of *version*, its manifest signed; give its path."""
        manifest = self.manifests / f"meesho.{version}.manifest.json"
        if not manifest.exists():
            manifest.write_text(json.dumps({"tenant": "meesho", "version": version}))
            words = ("ssh-keygen", "-q", "-Y", "sign", "-f", self._key)
            subprocess.run((*words, "-n", NAMESPACE, manifest), check=True)
        signature = manifest.with_name(f"{manifest.name}.sig")
        configs = {
            kind: {
                "name": f"{self.project}_{kind}_meesho_{version}",
                "file": f"./manifests/{path.name}",
            }
            for kind, path in (("manifest", manifest), ("signature", signature))
        }
        target = "/manifests/meesho.manifest.json"
        service = {
            "image": f"{self.image}:{version}",
            "configs": [
                {"source": "manifest", "target": target},
                {"source": "signature", "target": f"{target}.sig"},
            ],
            "ports": [{"target": PORT, "published": PORT, "mode": "host"}],
            "stop_grace_period": "2s",
            "deploy": {
                "replicas": 2,
                "endpoint_mode": "dnsrr",
                "restart_policy": {"delay": "500ms"},
                "update_config": {
                    "parallelism": 1,
                    "order": "stop-first",
                    "failure_action": "pause",
                    "monitor": "500ms",
                },
            },
        }
        whole = {"version": "3.8", "services": {"dms": service}, "configs": configs}
        path = self.folder / "dms.yaml"
        path.write_text(yaml.safe_dump(whole, sort_keys=False))
        return path
