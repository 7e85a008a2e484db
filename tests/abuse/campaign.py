"""Tries the verifier and the door for long, at random, and counts what came of it.

    python -m tests.abuse.campaign [--seconds 120] [--seed N]

The verifier gets deliveries that were right, and were changed a little or a lot. The
door of a real watchdog gets the same over the wire, beside rubbish, drips and right
answers. What holds: all that was accepted was signed, byte for byte, and accepted
once; every right one was accepted; no answer is a 5xx; the watchdog turns on, and is
at the end as large as at the beginning.
"""

import argparse
import contextlib
import itertools
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

import httpx

from tests import canary
from tests.abuse.door import KEYS as APPROVERS
from tests.abuse.door import NAME, PATH, ask, connect, now, raw, status, told, watching
from tests.abuse.floods import KINDS, Flood
from tests.worlds import ASHA
from watchdog.facts.roster import Key, Scheme
from watchdog.sign.delivery import Unauthorized, signature, who_signed

KEYS = [canary.key(n) for n in range(3)]
SHARED = canary.shared(9)
LISTED = [
    (f"p{n}", Key(f"k{n}", Scheme.ED25519, key.public_key().public_bytes_raw()))
    for n, key in enumerate(KEYS)
] + [("shared", Key("s", Scheme.HMAC, SHARED))]
# Two addresses that flood, and one that does not.
FLOODED = ("127.0.0.1", "127.0.0.99", "127.0.0.98")
# What grows by this much over a run of any length leaks.
MOST_KIB, MOST_FILES = 24 * 1024, 8


# -- the verifier -----------------------------------------------------------------


def delivery(rng, at):
    """Make a right delivery: headers as lists, and the body."""
    body = rng.randbytes(rng.randrange(600))
    message = "".join(rng.choices("abcXYZ019_-", k=rng.randrange(8, 65)))
    when = at + timedelta(seconds=rng.randrange(-298, 299))
    made = signature(message, when, body, rng.choice([*KEYS, SHARED]))
    return {name: [value] for name, value in made.items()}, body


def change(rng, headers, body):
    """Change one thing of a delivery, or nothing at all."""
    headers = {name: list(values) for name, values in headers.items()}
    name = rng.choice(list(headers))
    value = headers[name][0]
    match rng.randrange(12):
        case 0:
            pass
        case 1:
            headers[name] = [garbled(rng, value)]
        case 2:
            headers[name].append(rng.choice([value, "x", ""]))
        case 3:
            del headers[name]
        case 4:
            body = garbled_bytes(rng, body)
        case 5:
            body = rng.choice([body + b"\0", body[:-1], b"", body * 2])
        case 6:
            entries = headers["webhook-signature"]
            scheme, _, text = entries[0].partition(",")
            other = {"v1": "v1a", "v1a": "v1"}[scheme]
            headers["webhook-signature"] = [f"{other},{text}"]
        case 7:
            unknown = f"v{rng.randrange(2, 99)},{rng.randbytes(9).hex()}"
            entries = [headers["webhook-signature"][0], unknown]
            rng.shuffle(entries)
            headers["webhook-signature"] = [" ".join(entries)]
        case 8:
            stamp = int(headers["webhook-timestamp"][0])
            moved = stamp + rng.choice([-1, 1, 86400, -(10**9)])
            headers["webhook-timestamp"] = [str(moved)]
        case 9:
            headers["webhook-id"] = [value[:-1] + rng.choice("abc.é")]
        case 10:
            headers[name] = ["".join(map(chr, rng.choices(range(1, 0x500), k=40)))]
        case _:
            headers["webhook-signature"] = [f"v1a,{'A' * 86}=="]
    return headers, body


def means(headers, body):
    """Give what of a delivery is signed, and the signatures of versions we know."""
    if any(len(headers.get(f"webhook-{one}", [])) != 1 for one in _HEADERS):
        return None
    message, stamp, signatures = (headers[f"webhook-{one}"][0] for one in _HEADERS)
    entries = signatures.split(" ")
    if not all("," in entry for entry in entries):
        return None
    known = [entry for entry in entries if entry.startswith(("v1,", "v1a,"))]
    return message, stamp, tuple(known), body


_HEADERS = ("id", "timestamp", "signature")


def garbled(rng, text):
    """Change, add or take out one sign."""
    at = rng.randrange(len(text) + 1)
    sign = rng.choice(["", " ", "\t", ",", "=", "0", "A", "/", "\u0661", "\r\n"])
    return text[:at] + sign + text[at + rng.randrange(2) :]


def garbled_bytes(rng, data):
    """Flip one bit."""
    if not data:
        return b"\0"
    at = rng.randrange(len(data))
    flipped = data[at] ^ (1 << rng.randrange(8))
    return data[:at] + bytes([flipped]) + data[at + 1 :]


def try_the_verifier(rng, at, until, verify=who_signed):
    """Verify until *until*; count accepted, refused, and wrong ones of both."""
    count = Counter()
    while time.monotonic() < until:
        headers, body = delivery(rng, at)
        sent, other = change(rng, headers, body)
        is_right = means(sent, other) == means(headers, body)
        try:
            verify(sent, other, LISTED, at)
        except Unauthorized:
            count["wrong: a right one refused" if is_right else "refused"] += 1
        else:
            count["accepted" if is_right else "wrong: a changed one accepted"] += 1
    return count


# -- the door ---------------------------------------------------------------------


class Tries:
    """What was sent to the door of *it*, and what came back, by outcome."""

    def __init__(self, it, seed):
        self.it = it
        self.count = Counter()
        self.right = {}
        self.signed = set()
        self._seed = seed
        self._lock = threading.Lock()

    def note(self, what):
        """Count one outcome."""
        with self._lock:
            self.count[what] += 1

    def promise(self):
        """Make a right decision that nobody else has; remember that it was signed."""
        with self._lock:
            body, headers = self.it.promise()
            self.signed.add((headers["webhook-id"], body.decode()))
        return body, headers

    def run(self, way, number, until):
        """Try one *way* again and again until *until*, from an address of its own."""
        rng = random.Random(f"{self._seed}/{number}")
        host = f"127.0.0.{10 + number}"
        while time.monotonic() < until:
            name = way.__name__.replace("_", " ")
            try:
                outcome = way(self, rng, host)
            except (ConnectionError, httpx.RemoteProtocolError, httpx.ReadError):
                outcome = "hung up"
            except TimeoutError:
                outcome = "NO ANSWER"
            self.note(f"{name}: {outcome}")


def right_answers(tries, rng, host):
    """Send what an approver sends; it must be taken."""
    body, headers = tries.promise()
    time.sleep(0.05)
    transport = httpx.HTTPTransport(local_address=host)
    with httpx.Client(transport=transport, timeout=30) as client:
        reply = client.post(f"{tries.it.url}{PATH}", content=body, headers=headers)
    with tries._lock:
        tries.right[headers["webhook-id"]] = reply.status_code
    return reply.status_code


def changed_answers(tries, rng, host):
    """Send a right request with some bytes changed."""
    sent = raw(*tries.promise())
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        sent = garbled_bytes(rng, sent)
    return shot(tries, rng, sent, host)


def cut_and_joined(tries, rng, host):
    """Send pieces of right requests in another order, or one after the other."""
    one, two = raw(*tries.promise(), keep=True), raw(*tries.promise())
    at = rng.randrange(len(one))
    pieces = [one[:at], one[at:], two, two[:at], b"\r\n\r\n", b"0\r\n\r\n"]
    rng.shuffle(pieces)
    return shot(tries, rng, b"".join(pieces[: rng.randrange(1, 6)]), host)


def right_with_odd_headers(tries, rng, host):
    """Send a right body and headers that no client of ours has."""
    body, headers = tries.promise()
    odd = rng.choice(
        [
            {"transfer-encoding": "chunked"},
            {"content-encoding": "gzip"},
            {"content-type": "text/plain"},
            {"x": "y" * 9000},
            {"expect": "100-continue"},
            {"upgrade": "h2c", "connection": "upgrade"},
            {f"x-{n}": "y" for n in range(80)},
        ]
    )
    return shot(tries, rng, raw(body, headers | odd), host)


def signed_rubbish(tries, rng, host):
    """Send rubbish that is well signed."""
    body, headers = tries.it.promise()
    body = garbled_bytes(rng, body) if rng.random() < 0.7 else rng.randbytes(200)
    made = signature(headers["webhook-id"], now(), body, APPROVERS[ASHA])
    made["content-type"] = "application/json"
    with tries._lock:
        tries.signed.add((made["webhook-id"], body.decode(errors="replace")))
    return shot(tries, rng, raw(body, made), host)


def random_bytes(tries, rng, host):
    """Send what is no request at all."""
    head = rng.choice([b"", b"GET / HTTP/1.1\r\n", b"POST " + PATH.encode() + b" "])
    return shot(tries, rng, head + rng.randbytes(rng.randrange(1, 4000)), host, 0.1)


def odd_paths(tries, rng, host):
    """Ask for paths and methods that there are not."""
    path = rng.choice(
        [
            "/",
            f"{PATH}/",
            "/v1/approvals/%00/decision",
            f"/v1/promotion/{'v' * 3000}",
            f"/a/{rng.randbytes(8).hex()}",
            "/v1/approvals/%2e%2e/x",
            "//",
            "*",
        ]
    )
    method = rng.choice(["GET", "POST", "PUT", "HEAD", "OPTIONS", "PATCH", "X"])
    line = f"{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    return shot(tries, rng, line.encode(), host)


def drips(tries, rng, host):
    """Send a right request in small pieces, or only some of it, and go."""
    sent = raw(*tries.promise())
    with connect(tries.it.port, host) as made:
        for at in range(0, rng.randrange(len(sent)), 40):
            made.sendall(sent[at : at + 40])
            time.sleep(0.002)
    return "left"


def shot(tries, rng, sent, host, patience=1.0):
    """Send it and give what came of it: a status, or nothing."""
    with connect(tries.it.port, host) as made:
        with contextlib.suppress(ConnectionError):
            made.sendall(sent)
        if rng.random() < 0.2:
            return "left at once"
        # What waits for more than we send has all that it will get.
        made.settimeout(patience)
        try:
            return status(told(made)) or "hung up"
        except TimeoutError:
            return "waited for more"


WAYS = (
    right_answers,
    changed_answers,
    cut_and_joined,
    right_with_odd_headers,
    signed_rubbish,
    random_bytes,
    odd_paths,
    drips,
)


def try_the_door(it, seed, seconds):
    """Try every way at once for *seconds*; give what was counted, and what is wrong."""
    tries = Tries(it, seed)
    warm_up(it)
    before = it.size()
    until = time.monotonic() + seconds
    threads = [
        threading.Thread(target=tries.run, args=(way, number, until))
        for number, way in enumerate(WAYS)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join(seconds + 120)
    it.until_it_turned()
    return tries, what_is_wrong(it, tries, before)


def try_the_floods(it, seconds):
    """Answer through each flood of connections, from its own address and another.

    Every kind has its share of *seconds*, and three answers at least.
    """
    count, wrong = Counter(), []
    for kind in KINDS:
        with Flood(it.port, kind, ["127.0.0.1", "127.0.0.99"], most=300) as flood:
            until = time.monotonic() + seconds / len(KINDS)
            for tried, host in enumerate(itertools.cycle(FLOODED)):
                if tried >= len(FLOODED) and time.monotonic() > until:
                    break
                try:
                    code = status(ask(it.port, raw(*it.promise()), host))
                except TimeoutError:
                    code = "NO ANSWER"
                count[f"through {kind.__name__}: {code}"] += 1
                if code != 202:
                    wrong.append(f"an answer through {kind.__name__} got {code}")
        count[f"connections of {kind.__name__}"] = flood.made
    it.until_it_turned()
    return count, wrong


def warm_up(it):
    """Let it load what a first request loads."""
    for _ in range(20):
        body, headers = it.promise()
        httpx.post(f"{it.url}{PATH}", content=body + b" ", headers=headers, timeout=30)
        httpx.get(f"{it.url}/v1/approvals", timeout=30)
    it.until_it_turned()


def what_is_wrong(it, tries, before):
    """Say in words what does not hold."""
    wrong = []
    statuses = [key.rpartition(" ")[2] for key in tries.count]
    wrong += [f"answered {code}" for code in statuses if code.startswith("5")]
    wrong += [key for key in tries.count if key.endswith("NO ANSWER")]
    refused = Counter(code for code in tries.right.values() if code != 202)
    if refused or not tries.right:
        wrong.append(f"right answers got {dict(refused) or 'no turn'}")
    taken = [(a.message, a.body) for a in it.answers]
    wrong += [f"taken and never signed: {one}" for one in {*taken} - tries.signed]
    if len({*taken}) != len(taken):
        wrong.append("one was taken twice")
    missing = {*tries.right} - {message for message, _ in taken}
    if missing:
        wrong.append(f"{len(missing)} right answers are not in the journal")
    if it.process.poll() is not None:
        wrong.append(f"the watchdog ended with {it.process.returncode}")
    if "turn_crashed" in it.log or "a listener failed" in it.log:
        wrong.append("a turn or a listener failed")
    strange = [line for line in it.log.splitlines() if not line.startswith("{")]
    wrong += [f"lines that are no event: {len(strange)}, {strange[:3]}"] * bool(strange)
    # What was let go may take a moment to be cleared away.
    for _ in range(300):
        now_there = it.size()
        kib, files = (
            after - then for after, then in zip(now_there, before, strict=True)
        )
        if files <= MOST_FILES:
            break
        time.sleep(0.1)
    # Each answer that was taken is kept in the standing, about 2 KiB of it.
    if kib > MOST_KIB + 4 * len(taken):
        wrong.append(f"it grew by {kib} KiB")
    if files > MOST_FILES:
        wrong.append(f"it has {files} more files open")
    tries.count["grown, KiB"], tries.count["more files open"] = kib, files
    tries.count["answers in the journal"] = len(taken)
    return wrong


def main():
    """Try, print the counts, and end with 1 if something does not hold."""
    words = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    words.add_argument("--seconds", type=float, default=120)
    words.add_argument("--seed", type=int, default=None)
    given = words.parse_args()
    seed = (
        given.seed if given.seed is not None else random.SystemRandom().getrandbits(32)
    )
    print(f"seed {seed}, {given.seconds:g} s, {NAME}")
    rng = random.Random(seed)
    third = given.seconds / 3
    with tempfile.TemporaryDirectory() as folder:
        count = try_the_verifier(rng, now(), time.monotonic() + third)
        show("the verifier", count)
        wrong = [key for key in count if key.startswith("wrong")]
        # Once without a limit, so that all is looked at; once as it is shipped.
        for name, listen in (
            ("unlimited", {"failures_a_minute": 10**6}),
            ("as shipped", {}),
        ):
            with watching(Path(folder) / name.replace(" ", "-"), **listen) as it:
                tries, found = try_the_door(it, seed, third)
            show(f"the door, {name}", tries.count)
            wrong += found
        with watching(Path(folder) / "flooded") as it:
            count, found = try_the_floods(it, third)
        show("the door, flooded with connections", count)
        wrong += found
    wrong += canary.given_away()
    for one in wrong:
        print(f"WRONG: {one}")
    print("all holds" if not wrong else f"{len(wrong)} do not hold")
    sys.exit(bool(wrong))


def show(title, count):
    """Print a table of counts."""
    print(title)
    for what, number in sorted(count.items()):
        print(f"  {number:8d}  {what}")


if __name__ == "__main__":
    main()
