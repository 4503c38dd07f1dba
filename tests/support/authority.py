"""A time-stamping authority of one's own: a root, a certificate for stamping, and `openssl ts` that answers."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_CONFIG = """
[tsa]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ess_cert_id_alg = sha256
"""


class Authority:
    """It lives in a folder; `issuers` sign one another from the root, whose file is `roots`, to the stamping one."""

    def __init__(self, folder: Path, issuers: Sequence[str] = ("Root",)) -> None:
        self.folder, self.roots = folder, folder / f"{issuers[0]}.pem"
        keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in (*issuers, "leaf")}
        for by, name in zip((issuers[0], *issuers), (*issuers, "leaf"), strict=True):
            made = _certificate(name, keys[name], by, keys[by], is_root=name != "leaf")
            (folder / f"{name}.pem").write_bytes(made.public_bytes(Encoding.PEM))
        packed = keys["leaf"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / "leaf.key").write_bytes(packed)
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(_CONFIG.format(folder=folder))

    def answer(self, request: bytes, chain: Sequence[str] = ()) -> bytes:
        """Stamp what a request asks for, and send these certificates with that for stamping, in this order."""
        (self.folder / "request.tsq").write_bytes(request)
        command = ["openssl", "ts", "-reply", "-config", "tsa.cnf", "-section", "tsa", "-queryfile", "request.tsq"]
        command += ["-signer", "leaf.pem", "-inkey", "leaf.key", "-out", "answer.tsr"]
        if chain:
            sent = b"".join((self.folder / f"{name}.pem").read_bytes() for name in chain)
            (self.folder / "chain.pem").write_bytes(sent)
            command += ["-chain", "chain.pem"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True)
        return (self.folder / "answer.tsr").read_bytes()

    def verify(self, content: Path, response: Path) -> bool:
        """Ask openssl whether a response stamps a file."""
        command = ["openssl", "ts", "-verify", "-data", str(content), "-in", str(response), "-CAfile", str(self.roots)]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    @contextmanager
    def serve(self, status: int = 200) -> Iterator[str]:
        """Give the address at which it takes requests."""
        authority = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(status)
                self.end_headers()
                self.wfile.write(authority.answer(request) if status == 200 else b"no")

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/tsa"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()


def _certificate(name, key, issuer, issuer_key, *, is_root):
    now = datetime.now(UTC)
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, one)]) for one in (name, issuer))
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(by).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=99))
    builder = builder.add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    if not is_root:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(issuer_key, hashes.SHA256())
