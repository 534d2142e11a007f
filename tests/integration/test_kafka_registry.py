from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from features.errors import CodecError, SchemaIncompatible, SchemasUnavailable
from features.kafka_registry import MAX_ANSWER_BYTES, KafkaSchemaRegistry
from features.registry import RegisteredSchema
from tests.support.registry import FORBIDDEN, LOGIN_PAGE, NO_ANSWERS, NOT_HERE, UNAUTHORIZED, Answer, HttpRegistry

EVENT = '{"type": "record", "name": "Event", "fields": [{"name": "x", "type": "double"}]}'
ASKS: dict[str, Callable[[KafkaSchemaRegistry], object]] = {
    "by_id": lambda r: r.by_id(1),
    "by_guid": lambda r: r.by_guid("00000000-0000-0000-0000-000000000001"),
    "subjects_of": lambda r: r.subjects_of(1),
    "subjects": lambda r: r.subjects(),
    "latest": lambda r: r.latest("t-value"),
    "id_of": lambda r: r.id_of("t-value", EVENT),
    "register": lambda r: r.register("t-value", EVENT),
    "is_compatible": lambda r: r.is_compatible("t-value", EVENT),
}


def client(registry: HttpRegistry, **conf: object) -> KafkaSchemaRegistry:
    """Return a client that does not wait between attempts."""
    return KafkaSchemaRegistry({"url": registry.url, "max.retries": 0} | conf)


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
@pytest.mark.parametrize("fault", NO_ANSWERS, ids=lambda a: f"{a.status}-{a.body[:12]!r}")
def test_client_takes_nothing_for_an_answer_that_is_none(
    registry: HttpRegistry, ask: Callable[[KafkaSchemaRegistry], object], fault: Answer
) -> None:
    """Down, out of its mind or not ours: one line, and the same question has its answer afterwards."""
    registry.add("t-value", EVENT)
    schemas = client(registry)
    registry.fault = fault
    with pytest.raises(SchemasUnavailable) as failure:
        ask(schemas)
    assert "\n" not in str(failure.value)
    registry.fault = None
    assert ask(schemas) == ask(client(registry))


def test_client_says_what_to_do_about_each_kind(registry: HttpRegistry) -> None:
    """A person reads which setting is wrong."""
    lines = []
    for registry.fault in (UNAUTHORIZED, FORBIDDEN, LOGIN_PAGE, NOT_HERE):
        with pytest.raises(SchemasUnavailable) as failure:
            client(registry).by_id(1)
        lines.append(str(failure.value).removeprefix(f"the schema registry {registry.url} "))
    assert lines[0] == (
        "does not let us in (HTTP 401): check schema_registry.basic.auth.user.info, or what it may read"
    )
    assert lines[1].startswith("does not let us in (HTTP 403)")
    assert lines[2].startswith("answers, but not as a schema registry does")
    assert lines[3] == "answers HTTP 404, but not as a schema registry does: check schema_registry.url"


def test_client_believes_a_bare_404_only_of_a_registry(registry: HttpRegistry) -> None:
    """Some registries have no code of their own for what they lack; so does a url with a wrong path."""
    wrong_path = KafkaSchemaRegistry({"url": f"{registry.url}/no/such/path"})
    with pytest.raises(SchemasUnavailable):
        wrong_path.by_id(1)
    assert client(registry).by_id(1) is None


def test_client_gives_up_on_a_registry_that_hangs(registry: HttpRegistry) -> None:
    """A question has an end, whatever the other side does."""
    schemas = client(registry, timeout=0.05)
    with registry.held(), pytest.raises(SchemasUnavailable, match="does not answer in time"):
        schemas.by_id(1)


def test_client_gives_up_on_an_answer_that_comes_drop_by_drop(registry: HttpRegistry) -> None:
    """An answer has an end in time, though every read of it is answered at once."""
    schemas = client(registry, timeout=0.2, **{"retries.max.wait.ms": 0})
    registry.drips = True
    with pytest.raises(SchemasUnavailable, match="does not answer in time"):
        schemas.by_id(1)


def test_client_does_not_take_an_answer_without_bounds(registry: HttpRegistry) -> None:
    """Memory is ours to keep, whatever stands at the other end."""
    registry.fault = Answer(200, b" " * (MAX_ANSWER_BYTES + 1))
    with pytest.raises(SchemasUnavailable, match="of more than"):
        client(registry).by_id(1)


def test_client_finds_a_registry_that_went_away_and_came_back(registry: HttpRegistry) -> None:
    """A closed port is no answer, a port that opens again needs nobody's help."""
    schema_id = registry.add("t-value", EVENT)
    schemas = client(registry)
    registry.stop()
    with pytest.raises(SchemasUnavailable, match="cannot be reached"):
        schemas.by_id(schema_id)
    registry.start()
    assert schemas.by_id(schema_id) == RegisteredSchema(EVENT)
    registry.drops = True
    with pytest.raises(SchemasUnavailable, match="cannot be reached"):
        schemas.latest("t-value")


def test_client_asks_once_for_a_schema(registry: HttpRegistry) -> None:
    """Ids never change what they mean."""
    schema_id = registry.add("t-value", EVENT)
    schemas = client(registry)
    assert schemas.by_id(schema_id) == schemas.by_id(schema_id)
    assert registry.asked == [f"GET /schemas/ids/{schema_id}"]


def test_client_keeps_name_and_password_to_itself(
    registry: HttpRegistry, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """They let us in, and stand in no message, no log and on no terminal."""
    registry.user = "me:hush:hush"
    schema_id = registry.add("t-value", EVENT)
    with caplog.at_level(logging.INFO):
        schemas = KafkaSchemaRegistry({"url": registry.url.replace("//", "//me:hush%3Ahush@"), "max.retries": 0})
        assert schemas.by_id(schema_id) is not None
    registry.stop()
    with pytest.raises(SchemasUnavailable) as failure:
        schemas.latest("t-value")
    out, err = capfd.readouterr()
    assert "hush" not in f"{failure.value}{schemas.url}{caplog.text}{out}{err}"


def test_client_gives_a_schema_with_all_that_it_names(registry: HttpRegistry) -> None:
    """What is named stands before what names it, once, however often it is named."""
    registry.add("city", '{"type": "enum", "name": "City", "symbols": ["A"]}')
    address = '{"type": "record", "name": "Address", "fields": [{"name": "city", "type": "City"}]}'
    city = {"name": "City", "subject": "city", "version": 1}
    registry.add("address", address, references=[city])
    person = (
        '{"type": "record", "name": "Person", "fields": '
        '[{"name": "home", "type": "Address"}, {"name": "born", "type": "City"}]}'
    )
    whole = registry.add("t-value", person, references=[{"name": "Address", "subject": "address", "version": 1}, city])
    found = client(registry).by_id(whole)
    assert found == RegisteredSchema(person, "AVRO", ('{"type": "enum", "name": "City", "symbols": ["A"]}', address))


def test_client_refuses_schemas_that_name_each_other_in_a_circle(registry: HttpRegistry) -> None:
    """No registry takes one; a broken one must not keep us going for ever."""
    for name, other in (("a", "b"), ("b", "a")):
        registry.add(name, "{}", kind="JSON")
        registry.store.subjects[name][0].schema.references = [{"name": other, "subject": other, "version": 1}]
    first = registry.store.subjects["a"][0].schema
    with pytest.raises(CodecError, match="circle"):
        client(registry).by_id(first.id)


def test_client_tells_which_subject_holds_a_globally_unique_id(registry: HttpRegistry) -> None:
    """Deleted subjects count: their records are still in the topic."""
    schema_id = registry.add("t-value", EVENT)
    registry.store.delete("t-value")
    schemas = client(registry)
    assert schemas.holds("t-value", registry.guid(schema_id))
    assert not schemas.holds("other-value", registry.guid(schema_id))
    assert schemas.subjects_of(schema_id) == {"t-value"}
    assert schemas.latest("t-value") is None


def test_client_tells_a_schema_that_is_none(registry: HttpRegistry) -> None:
    """The registry's own words reach the person."""
    with pytest.raises(SchemaIncompatible, match="Invalid schema"):
        client(registry).register("t-value", '{"type": "nonsense"}')
