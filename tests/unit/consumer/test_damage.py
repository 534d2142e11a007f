from __future__ import annotations

from consumer.damage import TRIES, DamageWatch, damage_line
from producer.records import TopicPartition

AT, OTHER = TopicPartition("in", 0), TopicPartition("in", 1)


def found_again(watch: DamageWatch, times: int) -> None:
    """Let the same batch be damaged in so many fetches."""
    for _ in range(times):
        watch.tried_again()
        watch.found(AT, 13)


def test_records_behind_damage_are_not_taken() -> None:
    """A commit of what follows would skip the damaged batch in silence; what comes before it, and others, go on."""
    watch = DamageWatch()
    watch.found(AT, 13)
    assert [watch.is_behind(*place) for place in ((AT, 12), (AT, 13), (AT, 20), (OTHER, 20))] == [
        False,
        True,
        True,
        False,
    ]


def test_damage_reported_twice_by_one_fetch_is_one_try() -> None:
    """The client repeats itself faster than anything could have passed."""
    watch = DamageWatch()
    for _ in range(TRIES * 2):
        watch.found(AT, 13)
    assert watch.hopeless() is None


def test_damage_is_hopeless_only_after_all_tries() -> None:
    """Damage on the way passes; the verdict names the place."""
    watch = DamageWatch()
    found_again(watch, TRIES - 1)
    assert watch.hopeless() is None
    found_again(watch, 1)
    assert watch.hopeless() == (AT, 13)


def test_record_before_the_damage_begins_the_count_anew() -> None:
    """The line that ends the worker says that all before the damage is done, so it must be."""
    watch = DamageWatch()
    found_again(watch, TRIES)
    watch.passed(AT)
    assert watch.hopeless() is None


def test_lost_partition_is_forgotten() -> None:
    """Its new owner will find the damage."""
    watch = DamageWatch()
    found_again(watch, TRIES)
    watch.forget(AT)
    assert (watch.hopeless(), watch.is_behind(AT, 20)) == (None, False)


def test_damage_line_says_where_and_what_to_do() -> None:
    """Somebody must restore the log, or give the records up by a command that is ready to be copied."""
    line = damage_line(AT, 13, command="kafka-consumer-groups --topic in:0", detail="failed CRC32C check")
    assert "topic in partition 0: the record batch at offset 13" in line
    assert "go on behind it (kafka-dump-log tells where it ends): kafka-consumer-groups --topic in:0" in line
