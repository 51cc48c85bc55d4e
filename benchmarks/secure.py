"""Peers that answer over TLS, with a certificate made for the runs; no client here verifies it."""

import socket
import ssl
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers import START_TIMEOUT_S, Missing, Nginx, Ours


def certificate(folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate and its key (RSA of 2048 bits), made once."""
    chain, key = folder / "chain.pem", folder / "key.pem"
    if not chain.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=benchmark"
        files = ["-keyout", str(key), "-out", str(chain)]
        subprocess.run([*command.split(), *files], check=True, capture_output=True)
    return chain, key


def shake_hands(port: int, process: subprocess.Popen[bytes]) -> None:
    """Returns once the port answers a handshake. Raises Missing."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as plain:
                context.wrap_socket(plain).close()
            return
        except OSError:
            time.sleep(0.05)
    raise Missing(f"nothing speaks TLS on port {port}")


class SecureOurs(Ours):
    """A server over the archive of another one, which may run too."""

    scheme = "https"

    def __init__(self, directory: Path, *, port: int) -> None:
        chain, key = certificate(directory.parent / "tls")
        flags = ("--tls-certificate", str(chain), "--tls-key", str(key), "--no-settle")
        super().__init__(directory, port=port, flags=flags)

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        shake_hands(self.port, process)


class SecureNginx(Nginx):
    """The files of another nginx."""

    scheme = "https"

    def command(self) -> Sequence[str]:
        command = list(super().command())
        chain, key = (path.resolve() for path in certificate(self.directory.parent / "tls"))
        plain = Path(command[command.index("-c") + 1])
        secure = plain.with_name("nginx-tls.conf")
        keys = f"ssl_certificate {chain}; ssl_certificate_key {key};"
        text = plain.read_text().replace(f"listen {self.port};", f"listen {self.port} ssl; {keys}")
        text = text.replace("/pid;", "/pid-tls;")
        secure.write_text(text)
        return [str(secure) if part == str(plain) else part for part in command]

    def wait(self, process: subprocess.Popen[bytes]) -> None:
        shake_hands(self.port, process)
