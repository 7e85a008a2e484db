#!/usr/bin/env bash
# Apprise takes it for delivered when DingTalk, or a bot of WeCom, refuses a message.
#
# Versions: apprise 2.3.0 (requests 2.34.2), from PyPI; Python 3.11. A server on loopback
#   stands in for the services; it answers as theirs do.
# Meant: `notify()` is true when each service has taken the message.
# Seen: both services answer a refusal (a token that was withdrawn, a keyword that the robot
#   asks for and the message lacks, too many in a minute) with HTTP 200 and a code in the
#   body that is not 0. For Feishu and Lark, which answer alike, the code is read; for these
#   two only the HTTP status is. Whoever sends the page elsewhere when `notify()` is false
#   never does.
# Output on 30 November 2026:
#   refused with 200: DingTalk True, WeComBot True, Feishu False, Lark False
#   taken: DingTalk True, WeComBot True, Feishu True, Lark True
set -euo pipefail

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
python3 -m venv "$dir/venv"
"$dir/venv/bin/pip" install --quiet --disable-pip-version-check \
  apprise==2.3.0 requests==2.34.2
cat >"$dir/look.py" <<'PYTHON'
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from apprise import Apprise
from apprise.plugins.dingtalk import NotifyDingTalk
from apprise.plugins.feishu import NotifyFeishu
from apprise.plugins.lark import NotifyLark
from apprise.plugins.wecombot import NotifyWeComBot

ANSWERS = {
    "refused": {
        "/dingtalk": {"errcode": 310000, "errmsg": "keywords not in content"},
        "/wecombot": {"errcode": 93000, "errmsg": "invalid webhook url"},
        "/feishu": {"code": 19024, "msg": "Key Words Not Found"},
        "/lark": {"code": 19024, "msg": "Key Words Not Found"},
    },
    "taken": {
        "/dingtalk": {"errcode": 0, "errmsg": "ok"},
        "/wecombot": {"errcode": 0, "errmsg": "ok"},
        "/feishu": {"code": 0, "msg": "success"},
        "/lark": {"code": 0, "msg": "success"},
    },
}
now = "refused"


class Services(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        name = self.path.partition("?")[0].rstrip("/")
        body = json.dumps(ANSWERS[now][name]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Services)
threading.Thread(target=server.serve_forever, daemon=True).start()
here = f"http://127.0.0.1:{server.server_port}"
NotifyDingTalk.notify_url = here + "/dingtalk?access_token={token}"
NotifyWeComBot.notify_url = here + "/wecombot?key={key}"
NotifyFeishu.notify_url = here + "/feishu?{token}"
NotifyLark.notify_url = here + "/lark?"
URLS = {
    "DingTalk": f"dingtalk://{'a' * 64}",
    "WeComBot": "wecombot://11111111-2222-3333-4444-555555555555",
    "Feishu": "feishu://11111111-2222-3333-4444-555555555555",
    "Lark": "lark://11111111-2222-3333-4444-555555555555",
}


def told() -> dict[str, bool]:
    said = {}
    for name, url in URLS.items():
        one = Apprise()
        assert one.add(url), name
        said[name] = bool(one.notify(body="rolled back dms to v1.2.0"))
    return said


refused = told()
now = "taken"
taken = told()
server.shutdown()
for when, said in (("refused with 200", refused), ("taken", taken)):
    print(f"{when}: " + ", ".join(f"{name} {word}" for name, word in said.items()))
as_seen = list(refused.values()) == [True, True, False, False] and all(taken.values())
sys.exit(not as_seen)
PYTHON
timeout 60 "$dir/venv/bin/python" "$dir/look.py" || {
  echo "changed: what DingTalk and WeCom answer is read" >&2
  exit 1
}
