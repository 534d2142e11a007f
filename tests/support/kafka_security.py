"""How a client proves who it is to the broker under test: not at all, or SASL/SCRAM-SHA-512 over TLS."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plaintext:
    """Anybody may connect and nothing is encrypted."""

    protocol: str = "PLAINTEXT"

    def prepare(self, directory: Path) -> None:
        """Need nothing."""

    def format_arguments(self) -> list[str]:
        """Return what the storage tool has to be told: nothing."""
        return []

    def broker_settings(self, directory: Path) -> dict[str, str]:  # noqa: ARG002 - the other kind needs it
        """Return what the broker has to be told: nothing."""
        return {}

    def client_settings(self, directory: Path) -> dict[str, str]:  # noqa: ARG002 - the other kind needs it
        """Return what a librdkafka client has to be told: nothing."""
        return {}


@dataclass(frozen=True, slots=True)
class ScramOverTls:
    """One user known to the cluster by SCRAM-SHA-512, and a certificate of our own making for 127.0.0.1."""

    username: str = "tidemill"
    password: str = "slack-water-at-noon"
    protocol: str = "SASL_SSL"

    def prepare(self, directory: Path) -> None:
        """Make the broker's key and its self-signed certificate in the directory."""
        if shutil.which("openssl") is None:
            raise RuntimeError(
                "the tests of SASL over TLS need `openssl` on PATH. Install it: `apt-get install openssl`."
            )
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
        command += ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"]
        command += ["-keyout", str(directory / "broker.key"), "-out", str(directory / "broker.crt")]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        both = (directory / "broker.key").read_text() + (directory / "broker.crt").read_text()
        (directory / "broker.pem").write_text(both)

    def format_arguments(self) -> list[str]:
        """Return what makes the storage tool write the user into the first metadata record."""
        return ["--add-scram", f"SCRAM-SHA-512=[name={self.username},password={self.password}]"]

    def broker_settings(self, directory: Path) -> dict[str, str]:
        """Return the settings of the listener that clients use."""
        login = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        return {
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(directory / "broker.pem"),
            "listener.name.client.sasl.enabled.mechanisms": "SCRAM-SHA-512",
            "listener.name.client.scram-sha-512.sasl.jaas.config": login,
        }

    def client_settings(self, directory: Path) -> dict[str, str]:
        """Return the librdkafka settings with which a client gets in."""
        return {
            "security.protocol": self.protocol,
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": self.username,
            "sasl.password": self.password,
            "ssl.ca.location": str(directory / "broker.crt"),
        }


Security = Plaintext | ScramOverTls
