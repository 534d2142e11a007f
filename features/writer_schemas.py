"""The schemas that records name, made ready to decode by: asked for once each, judged once, kept."""

from __future__ import annotations

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from features.avro_codec import AvroCodec
from features.errors import CodecError, SchemasUnavailable
from features.intake import DEFAULT_MAX_VALUE_BYTES
from features.registered import texts_of
from features.registry import AVRO, RegisteredSchema, SchemaRegistry
from features.registry_framing import SchemaKey
from features.rejection import Problem, Reason

LOOKS: Final = 3  # before an id counts as unknown: a registry's follower may lag behind its leader
BETWEEN_LOOKS_S: Final = 0.1
PATIENCE_S: Final = 5.0  # for all looks of one batch; a worker must be heard of meanwhile
REMEMBERED_S: Final = 60.0  # a refusal: an id may come to exist, or come under a subject of ours
MAX_KEPT: Final = 1_000  # schemas; more than any topic has
MAX_REMEMBERED: Final = 10_000  # refusals


class WriterSchemas:
    """Gives a codec, or the reason why there is none, for each schema that records name.

    What a registry says for certain is kept: a codec for as long as it is used, a refusal for a minute. The
    minute does not run out while a batch is being worked through in several attempts, so that each attempt
    goes on where the last one ended. For one thread.
    """

    def __init__(
        self,
        registry: SchemaRegistry,
        *,
        subjects: frozenset[str] | None,
        max_value_bytes: int = DEFAULT_MAX_VALUE_BYTES,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._registry = registry
        self._subjects = subjects
        self._max_value_bytes = max_value_bytes
        self._monotonic = monotonic
        self._sleep = sleep
        self._codecs: OrderedDict[SchemaKey, AvroCodec] = OrderedDict()
        self._refusals: OrderedDict[SchemaKey, tuple[float, Problem]] = OrderedDict()
        self._denials: Counter[SchemaKey] = Counter()
        self._is_underway = False

    def of(self, keys: Collection[SchemaKey]) -> Mapping[SchemaKey, AvroCodec | Problem]:
        """Return the codec of each schema, or why its records are turned away.

        Raises:
            SchemasUnavailable: The registry gives no definite answer, or not all of them in time.
        """
        if not self._is_underway:
            self._forget_old()
        new = [key for key in keys if key not in self._codecs and key not in self._refusals]
        self._is_underway = bool(new)
        ready = {key: self._codecs[key] for key in keys if key in self._codecs}
        ready |= self._look_for(new)
        self._is_underway = False
        self._denials.clear()
        self._keep(ready)
        return {key: ready[key] if key in ready else self._refusals[key][1] for key in keys}

    def _look_for(self, missing: list[SchemaKey]) -> dict[SchemaKey, AvroCodec]:
        """Ask for some schemas until each is found or was denied often enough, in this attempt and those before."""
        deadline = self._monotonic() + PATIENCE_S
        found: dict[SchemaKey, AvroCodec] = {}
        while missing:
            missing = [key for key in missing if not self._is_settled(key, found, deadline)]
            if missing:
                self._sleep(BETWEEN_LOOKS_S)
        return found

    def _is_settled(self, key: SchemaKey, found: dict[SchemaKey, AvroCodec], deadline: float) -> bool:
        """Ask for one schema; put its codec into ``found`` or remember why there is none."""
        self._check(deadline)
        try:
            schema = self._registry.by_id(key) if isinstance(key, int) else self._registry.by_guid(key)
            problem = self._denied(key) if schema is None else self._objection(key, schema, deadline)
            if schema is not None and problem is None:
                found[key] = self._codecs[key] = self._compiled(schema)
        except CodecError as error:
            problem = Problem(Reason.SCHEMA_NOT_ALLOWED, f"schema {key}: {error}")
        if problem is not None:
            self._refusals[key] = (self._monotonic(), problem)
        return problem is not None or key in found

    def _check(self, deadline: float) -> None:
        """Give up for now where time is over; what was answered is kept, here or by the registry's client."""
        if self._monotonic() > deadline:
            raise SchemasUnavailable(
                f"the schema registry took more than {PATIENCE_S:g} s for the schemas of one batch"
            )

    def _denied(self, key: SchemaKey) -> Problem | None:
        """Count that the registry does not have a schema; return what that means when it said so often enough."""
        self._denials[key] += 1
        if self._denials[key] < LOOKS:
            return None
        return Problem(Reason.UNKNOWN_SCHEMA, f"the schema registry has no schema {key}")

    def _objection(self, key: SchemaKey, schema: RegisteredSchema, deadline: float) -> Problem | None:
        if schema.kind != AVRO:
            return Problem(Reason.SCHEMA_NOT_ALLOWED, f"schema {key} is {schema.kind}, and this topic is read as Avro")
        if self._subjects is None:
            return None
        self._check(deadline)
        if isinstance(key, int):
            places = self._registry.subjects_of(key)
            if places & self._subjects:
                return None
            said = f"is registered under {', '.join(sorted(places)) or 'no subject'}"
        else:
            for subject in sorted(self._subjects):
                self._check(deadline)
                if self._registry.holds(subject, key):
                    return None
            said = "is registered elsewhere"
        return Problem(
            Reason.SCHEMA_NOT_ALLOWED,
            f"schema {key} {said}, not under {', '.join(sorted(self._subjects))} (its 'subjects')",
        )

    def _compiled(self, schema: RegisteredSchema) -> AvroCodec:
        writer, references = texts_of(schema)
        return AvroCodec(writer, references=references, max_value_bytes=self._max_value_bytes)

    def _forget_old(self) -> None:
        oldest = self._monotonic() - REMEMBERED_S
        while self._refusals:
            key, (since, _) = next(iter(self._refusals.items()))
            if since > oldest and len(self._refusals) <= MAX_REMEMBERED:
                return
            del self._refusals[key]

    def _keep(self, used: Iterable[SchemaKey]) -> None:
        for key in used:
            self._codecs.move_to_end(key)
        while len(self._codecs) > MAX_KEPT:
            self._codecs.popitem(last=False)
