from __future__ import annotations

from pathlib import Path

import pytest

from service.errors import UsageError
from service.init_clients import Clients, clients_from


def clients(
    *kafka: str, registry: str | None = None, registry_config: tuple[str, ...] = (), **environment: str
) -> Clients:
    """Return the settings of the clients from these options and variables."""
    return clients_from(
        bootstrap="b:1", kafka=kafka, registry=registry, registry_config=registry_config, environment=environment
    )


def test_secrets_are_used_but_not_written_and_named_as_variables() -> None:
    """A file that goes into a repository holds no password; a person hears where it belongs."""
    found = clients(
        "security.protocol=SASL_SSL",
        "consumer.sasl.password=a=b: c",
        registry="https://me:hush@r:1",
        registry_config=("timeout=3",),
    )
    assert found.kafka == {"security.protocol": "SASL_SSL", "bootstrap.servers": "b:1"}
    assert found.registry == {"timeout": "3", "url": "https://r:1"}
    used = found.settings(topic="t")
    assert used.kafka.of("consumer")["sasl.password"] == "a=b: c"
    assert used.schema_registry.client_conf()["url"] == "https://me:hush@r:1"
    said = "\n".join(found.notes)
    assert "TIDEMILL_KAFKA__CONSUMER__SASL_PASSWORD" in said
    assert "TIDEMILL_SCHEMA_REGISTRY__BASIC_AUTH_USER_INFO" in said
    assert "hush" not in said


def test_the_environment_is_used_and_not_written(tmp_path: Path) -> None:
    """A password that the service will have is there for this command too; a flag comes before the environment."""
    (tmp_path / "schema_registry.basic.auth.user.info").write_text("me:hush")
    found = clients(
        registry="http://r:1",
        TIDEMILL_KAFKA__SASL_PASSWORD="hush",
        TIDEMILL_KAFKA__BOOTSTRAP_SERVERS="other:1",
        TIDEMILL_TOPICS__SCORES="elsewhere",
        TIDEMILL_SECRETS_DIR=str(tmp_path),
    )
    used = found.settings()
    assert used.kafka.common == {"sasl.password": "hush", "bootstrap.servers": "b:1"}
    assert used.schema_registry.client_conf()["basic.auth.user.info"] == "me:hush"
    assert (found.kafka, found.registry) == ({"bootstrap.servers": "b:1"}, {"url": "http://r:1"})
    assert found.has_registry


def test_without_any_option_there_is_a_broker_and_no_registry() -> None:
    """The file names the broker that everybody tries first."""
    found = clients_from(bootstrap=None, kafka=(), registry=None, registry_config=(), environment={})
    assert (found.kafka, found.registry, found.has_registry) == ({"bootstrap.servers": "localhost:9092"}, {}, False)
    assert found.settings().kafka.common == {"bootstrap.servers": "localhost:9092"}


def test_an_option_without_a_value_is_refused_without_repeating_a_secret() -> None:
    """What was meant as a password may stand there."""
    with pytest.raises(UsageError, match=r"--kafka hush: must be KEY=VALUE"):
        clients("hush")
