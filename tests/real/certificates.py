"""A CA of the test's own, and certificates that it signs: good ones and bad ones."""

import ipaddress
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

DAY = timedelta(days=1)


class Authority:
    """A certificate authority in *folder*; its own certificate is *file*.

    As incomplete as one that `openssl req -x509` makes by hand.
    """

    def __init__(self, folder, name):
        self.folder, self.name = folder, x509.Name.from_rfc4514_string(f"CN={name}")
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.file = folder / f"{name}.pem"
        ca = x509.BasicConstraints(ca=True, path_length=None)
        signed = self._builder(self.name, self.key).add_extension(ca, critical=True)
        whole = signed.sign(self.key, hashes.SHA256())
        self.file.write_bytes(whole.public_bytes(Encoding.PEM))

    def signs(self, name, *, addresses=("127.0.0.1",), ended=False):
        """Make a certificate and its key: two files, called like *name*."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name.from_rfc4514_string(f"CN={name}")
        signed = self._builder(subject, key, ended=ended)
        if addresses:
            ips = [x509.IPAddress(ipaddress.ip_address(one)) for one in addresses]
            signed = signed.add_extension(x509.SubjectAlternativeName(ips), False)
        whole = signed.sign(self.key, hashes.SHA256())
        pem, key_file = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        pem.write_bytes(whole.public_bytes(Encoding.PEM))
        plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        key_file.write_bytes(key.private_bytes(*plain))
        return pem, key_file

    def _builder(self, subject, key, *, ended=False):
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 9 * DAY)
            .not_valid_after(now + (-DAY if ended else 9 * DAY))
        )
