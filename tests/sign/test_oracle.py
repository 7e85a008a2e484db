"""What ssh-keygen itself says of a signature, and what we say: the same."""

import pytest

from tests.sign.keyring import SPACE, Keyring
from tests.sign.test_sshsig import DATA, NOW, public, seal, verified
from tests.sign.test_sshsig import allowed as allowed_line
from watchdog.facts.problem import Problem
from watchdog.sign.trust import Trust


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    return Keyring(tmp_path_factory.mktemp("oracle"))


def ours(*words, **more):
    try:
        return bool(verified(*words, **more))
    except Problem:
        return False


@pytest.mark.parametrize(
    "options",
    [
        "",
        f'namespaces="{SPACE}"',
        'namespaces="git"',
        f'namespaces="git,{SPACE}"',
        'Namespaces="manifest@*"',
        'namespaces="*,!manifest@*"',
        f"namespaces={SPACE}",
        'valid-after="20260701120000Z"',
        'valid-after="20260701120001Z"',
        'valid-before="20260701120000Z"',
        'valid-before="202607011159Z"',
        'valid-after="20260101Z",valid-before="20270101Z"',
        'valid-after="20270101Z",valid-before="20260101Z"',
        'valid-before="tomorrow"',
        'valid-before="20270101Z",valid-before="20280101Z"',
        "cert-authority",
        'only-on-mondays="yes"',
    ],
)
def test_a_line_of_allowed_signers_means_what_it_means_to_ssh_keygen(keys, options):
    signers, signature = keys.line(options=options), keys.sign(DATA)

    theirs = keys.verifies(DATA, signature, signers)

    assert ours(signature, signers=signers, now=NOW) == theirs


@pytest.mark.parametrize(
    "line",
    [
        '"release@flexli.example" {}',
        '"release@flexli.example"{}',
        '"other@x,release@flexli.example" {}',
        '"release@flexli.example" namespaces="git" {}',
        '"release@flexli.example {}',
    ],
)
def test_a_quoted_name_means_what_it_means_to_ssh_keygen(keys, line):
    signers, signature = line.format(keys.public()) + "\n", keys.sign(DATA)

    theirs = keys.verifies(DATA, signature, signers)

    assert ours(signature, signers=signers, now=NOW) == theirs


def test_what_we_sign_ssh_keygen_takes(keys):
    signers = allowed_line()

    assert keys.verifies(DATA, seal(), signers)
    assert not keys.verifies(DATA + b" ", seal(), signers)
    assert keys.verifies(DATA, seal(algorithm="sha256"), signers)


@pytest.mark.parametrize("form", ["key", "sha256", "sha1", "list"])
@pytest.mark.parametrize("named", ["release", "other"])
def test_a_revoked_key_is_refused_as_ssh_keygen_does(keys, form, named):
    line, signers, signature = keys.public(named), keys.line(), keys.sign(DATA)
    if form == "list":
        revoked = f"# given up\n\n{line} lost in May\n".encode()
    else:
        (keys.folder / "spec").write_text(f"{form}: {line}\n")
        keys.run("-k", "-f", "krl", "spec")
        revoked = (keys.folder / "krl").read_bytes()

    theirs = keys.verifies(DATA, signature, signers, revoked)

    assert theirs == (named != "release")
    assert ours(signature, signers=signers, revoked=revoked) == theirs


def test_a_krl_that_names_a_certificate_revokes_no_key(keys):
    keys.public("authority")
    (keys.folder / "spec").write_text("serial: 1-9\nid: somebody\n")
    keys.run("-k", "-f", "krl", "-s", "authority.pub", "spec")

    revoked = (keys.folder / "krl").read_bytes()

    assert ours(keys.sign(DATA), signers=keys.line(), revoked=revoked)


def test_hashes_that_ssh_keygen_offers_count_and_no_others(keys):
    for algorithm in ("sha256", "sha512"):
        signature = keys.sign(DATA, "release", SPACE, "-O", f"hashalg={algorithm}")
        assert ours(signature, signers=keys.line())
    assert not ours(seal(algorithm="sha1"), signers=allowed_line())


def test_a_key_is_named_as_ssh_keygen_names_it(keys):
    listed = keys.run("-l", "-f", "release.pub").stdout.decode()
    stranger = keys.sign(DATA)

    with pytest.raises(Problem) as said:
        verified(stranger, signers=allowed_line())

    assert listed.split()[1] in said.value.words


def test_a_list_that_cannot_be_read_lets_nobody_in():
    for revoked in (b"ssh-ed25519\n", b"release@x ssh-ed25519 AAAA\n", b"SSHKRL\n\0"):
        with pytest.raises(Problem, match="revoked signers cannot be read"):
            Trust(allowed_line().encode(), revoked, SPACE)


def test_the_key_in_these_tests_is_one_that_ssh_knows(keys):
    assert keys.verifies(DATA, seal(), allowed_line())
    assert public()[:15] == b"\0\0\0\x0bssh-ed25519"
