from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from features.schema_inference import leaves_of
from service.cluster import Denied, TopicFacts
from service.settings import Settings, settings_from
from service.topics import TopicOutcome, create_topics, register_schemas
from tests.support.registry_fake import FakeRegistry

OTHERS = ("labels", "scores", "dead-letters", "shadow-scores")
FOUND = TopicFacts("fraud.features", partitions=6, replication=3, in_sync=3, leaderless=0, settings={})


class Topics:
    """A cluster that has some topics and takes new ones."""

    def __init__(self, *found: TopicFacts, denied: Sequence[str] = ()) -> None:
        self.known: dict[str, TopicFacts | Denied | None] = {facts.name: facts for facts in found}
        self.known |= {name: Denied("not authorised") for name in denied}
        self.created: list[tuple[str, int, int]] = []

    def topics(self, names: Sequence[str]) -> dict[str, TopicFacts | Denied | None]:
        """Return what is known."""
        return {name: self.known.get(name) for name in names}

    def create_topic(
        self, name: str, *, partitions: int, replication: int, settings: Mapping[str, str]
    ) -> Literal["created", "exists"]:
        """Remember what was asked for; a number left open becomes 1."""
        self.created.append((name, partitions, replication))
        self.known[name] = TopicFacts(name, max(partitions, 1), max(replication, 1), 1, 0, settings)
        return "created"


def settings() -> Settings:
    """Return settings of a service called fraud."""
    return settings_from({"name": "fraud", "features": {"fields": [{"name": "x", "type": "double"}]}}, folder=Path())


def test_create_topics_makes_what_is_missing_with_the_numbers_asked_for() -> None:
    """The inputs, events and labels, and the outputs."""
    cluster = Topics()
    outcomes = create_topics(settings(), cluster, partitions=4, replication=3)
    assert cluster.created == [(f"fraud.{name}", 4, 3) for name in ("features", *OTHERS)]
    assert {outcome.result for outcome in outcomes} == {"created"}


def test_create_topics_gives_all_others_the_partitions_of_the_events() -> None:
    """Scores and labels can be joined with events by partition unless somebody asks for something else."""
    cluster = Topics(FOUND)
    create_topics(settings(), cluster, partitions=None, replication=None)
    assert cluster.created == [(f"fraud.{name}", 6, -1) for name in OTHERS]


def test_create_topics_asks_again_until_the_broker_knows_what_it_made() -> None:
    """Some brokers hear of a new topic a moment after it was made; the line tells its shape all the same."""

    class Late(Topics):
        asked = 0

        def topics(self, names: Sequence[str]) -> dict[str, TopicFacts | Denied | None]:
            self.asked += 1
            return dict.fromkeys(names) if self.asked <= 2 else super().topics(names)

    outcome = create_topics(settings(), Late(), partitions=2, replication=None)[0]
    assert (outcome.result, outcome.detail) == ("created", "2 partitions, 1 replica")


def test_create_topics_leaves_what_exists_and_says_how_it_differs() -> None:
    """Changing partitions of a topic in use moves keys, so a person decides."""
    cluster = Topics(FOUND)
    outcome = create_topics(settings(), cluster, partitions=4, replication=3)[0]
    assert (outcome.result, outcome.detail) == (
        "differs",
        "6 partitions, 3 replicas; asked for 4 partitions; left as it is",
    )


def test_create_topics_twice_changes_nothing() -> None:
    """Running it again is safe."""
    cluster = Topics()
    create_topics(settings(), cluster, partitions=4, replication=1)
    assert {o.result for o in create_topics(settings(), cluster, partitions=4, replication=1)} == {"exists"}
    assert len(cluster.created) == 1 + len(OTHERS)


def test_create_topics_says_what_it_may_not_look_at() -> None:
    """A topic without rights is neither missing nor fine."""
    outcomes = create_topics(settings(), Topics(FOUND, denied=["fraud.scores"]), partitions=None, replication=None)
    found = {outcome.name.removeprefix("fraud."): outcome.result for outcome in outcomes}
    assert found == {"features": "exists", **dict.fromkeys(OTHERS, "created"), "scores": "denied"}


def with_registry(**sections: Any) -> Settings:
    """Return settings of a service whose events and scores are Avro with a registry."""
    data = {
        "name": "fraud",
        "schema_registry": {"url": "mock://topics"},
        "features": {"fields": [{"name": "x", "type": "double"}], **sections.pop("features", {})},
        "output": {"format": "avro", **sections.pop("output", {})},
        **sections,
    }
    return settings_from(data, folder=Path())


def shown(outcomes: Sequence[TopicOutcome]) -> list[tuple[str, str]]:
    """Return what became of each subject."""
    return [(outcome.name, outcome.result) for outcome in outcomes]


def test_register_schemas_registers_what_is_missing_once() -> None:
    """A service that may not register anything while it runs finds its schemas there."""
    registry = FakeRegistry()
    outcomes = [shown(register_schemas(with_registry(), registry)) for _ in range(2)]
    subjects = ["fraud.features-value", "fraud.labels-value", "fraud.scores-value"]
    assert outcomes == [[(name, "created") for name in subjects], [(name, "exists") for name in subjects]]


def test_register_schemas_leaves_the_writers_schema_alone() -> None:
    """What events and labels are written by belongs to those who write them, whatever the service reads of it."""
    registry = FakeRegistry()
    for name in ("fraud.features-value", "fraud.labels-value"):
        registry.add(name, {"type": "record", "name": "Theirs", "fields": []})
    outcomes = register_schemas(with_registry(output={"format": "json"}), registry)
    assert shown(outcomes) == [("fraud.features-value", "exists"), ("fraud.labels-value", "exists")]
    elsewhere = with_registry(
        features={"subjects": ["bank.Event"]}, labels={"subjects": ["bank.Label"]}, output={"format": "json"}
    )
    assert register_schemas(elsewhere, FakeRegistry()) == []


def test_register_schemas_registers_labels_of_the_shape_that_the_file_describes() -> None:
    """The paths of the service file are what a label has, and its value may be of any kind."""
    registry = FakeRegistry()
    paths = {"id": "txn.ref", "label": "status", "time": "posted"}
    register_schemas(with_registry(labels=paths, features={"format": "json"}, output={"format": "json"}), registry)
    assert registry.store.subjects == {}
    register_schemas(with_registry(labels={**paths, "format": "avro"}, features={"format": "json"}), registry)
    leaves = leaves_of(registry.latest("fraud.labels-value").schema)  # type: ignore[union-attr]
    assert {leaf.path for leaf in leaves} == set(paths.values())


def test_register_schemas_says_that_the_scores_schema_is_refused() -> None:
    """A changed passthrough breaks readers of the scores, so the registry's rule is heard before the start."""
    registry = FakeRegistry()
    scores = "fraud.scores-value"
    registry.add(scores, {"type": "record", "name": "Other", "fields": [{"name": "a", "type": "long"}]})
    outcome = register_schemas(with_registry(), registry)[-1]
    assert (outcome.name, outcome.role, outcome.result) == (scores, "schema", "denied")
    assert registry.store.subjects[scores][-1].number == 1
