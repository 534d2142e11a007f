"""Who is let in and who is not: a worker over SASL and TLS."""

from __future__ import annotations

import pytest

from producer.errors import SinkRefused
from producer.kafka import KafkaPlainSink, KafkaSink
from tests.support.kafka import KafkaCluster
from tests.support.kafka_scoring import QUICK, KafkaBench, running

pytestmark = pytest.mark.kafka


def test_worker_scores_over_sasl_and_tls(kafka_secure: KafkaCluster) -> None:
    """Source and sink need nothing but the settings of the user's own clients."""
    bench = KafkaBench(kafka_secure)
    bench.publish(300)
    bench.flush()
    with running(bench.worker()) as worker:
        bench.wait_until_committed()
    assert (worker.failure, bench.violations()) == (None, "")


def test_sink_with_a_wrong_password_says_so(kafka_secure: KafkaCluster) -> None:
    """The client calls a wrong password a time-out and tries for ever; the error names the password's refusal."""
    wrong = {**kafka_secure.client_settings, **QUICK, "sasl.password": "guess"}
    sink = KafkaSink(wrong, transactional_id="stranger", transaction_timeout=2)
    with pytest.raises(SinkRefused, match="Authentication failed"):
        sink.open()
    sink.close()


def test_lookup_with_a_wrong_password_says_so(kafka_secure: KafkaCluster) -> None:
    """A command that cannot log in ends with that, not with an unreachable broker."""
    sink = KafkaPlainSink(
        {**kafka_secure.client_settings, **QUICK, "sasl.password": "guess"},
        flush_timeout=2,
    )
    sink.open()
    with pytest.raises(SinkRefused, match="Authentication failed"):
        sink.partition_count("any")
    sink.close()


def test_sink_with_an_unknown_property_says_so(kafka_secure: KafkaCluster) -> None:
    """What the client does not take is told in one line that names it."""
    with pytest.raises(SinkRefused, match=r"no\.such"):
        KafkaPlainSink({**kafka_secure.client_settings, "no.such": "1"}, flush_timeout=1).open()
