"""The schema registry as Confluent's client sees it: what it answers for certain, and that it gave no answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final, TypeVar
from urllib.parse import unquote, urlsplit

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient
from confluent_kafka.schema_registry.error import SchemaRegistryError

from features.errors import CodecError, SchemaIncompatible, SchemasUnavailable
from features.registry import AVRO, RegisteredSchema, SubjectVersion
from features.registry_patience import Patience, longest_look_s

TIMEOUT_S: Final = 5.0  # of each read; the client's own default waits for ever
OUR_DEFAULTS: Final[Mapping[str, Any]] = {
    "timeout": TIMEOUT_S,
    "max.retries": 1,  # the worker asks again anyway, and must be heard of meanwhile
    "retries.wait.ms": 100,
    "retries.max.wait.ms": 1000,
}
REFERENCES_S: Final = 5.0  # for what a schema names; a look begun within it may end later
MAX_REFERENCES: Final = 100  # schemas that one schema may name, directly or not
MAX_ANSWER_BYTES: Final = 16 * 1024 * 1024
MAX_SAID: Final = 200  # characters of the registry's own words in a message
_NOT_THERE: Final = frozenset({40400, 40401, 40402, 40403})  # no schema, subject, version, schema
_REFUSED: Final = frozenset({409, 422})
_HTTP_LOGGERS: Final = ("httpx", "httpx2", "httpcore", "httpcore2")  # tell of each request at level info

_T = TypeVar("_T")


class KafkaSchemaRegistry:
    """Implements ``SchemaRegistry`` on Confluent's client, which keeps every schema it was ever told.

    ``conf`` are the client's own settings. Names and passwords in urls are taken out of them before anything
    could print them. Registries ``mock://name`` live in this process, one for each name.

    Raises:
        ValueError: On construction: a setting that the client refuses.
        OSError: On construction: a certificate that cannot be read.
    """

    def __init__(self, conf: Mapping[str, Any]) -> None:
        for name in _HTTP_LOGGERS:
            logging.getLogger(name).setLevel(logging.WARNING)
        settings = without_userinfo({**OUR_DEFAULTS, **conf})
        self.url: str = settings["url"]
        self._is_mock = self.url.startswith("mock://")
        self._patience = Patience(longest_look_s(settings))
        try:
            self._client: Any = _mock_client(self.url) if self._is_mock else _new_client(settings)
        except TypeError as error:
            raise ValueError(str(error)) from error

    def by_id(self, schema_id: int) -> RegisteredSchema | None:
        """Return the schema of an id."""
        return self._whole(self._asked(lambda: _checked(self._client.get_schema(schema_id))))

    def by_guid(self, guid: str) -> RegisteredSchema | None:
        """Return the schema of a globally unique id, written as a UUID."""
        return self._whole(self._asked(lambda: _checked(self._client.get_schema_by_guid(guid))))

    def subjects_of(self, schema_id: int) -> frozenset[str]:
        """Return the subjects an id is registered under, deleted ones too: their records may still be read."""
        if self._is_mock:
            return frozenset(self._mock_subjects(schema_id))
        found = self._asked(lambda: _texts(self._client.get_subjects_by_schema_id(schema_id, deleted=True)))
        return frozenset(found or ())

    def holds(self, subject: str, guid: str) -> bool:
        """Return whether the schema of a globally unique id is registered under a subject, deleted or not."""
        schema = self._asked(lambda: _checked(self._client.get_schema_by_guid(guid)))
        if schema is None:
            return False
        try:
            found = self._offered(lambda: _id_in(self._client.lookup_schema(subject, schema, deleted=True)))
        except SchemaIncompatible:  # the subject cannot even make sense of it
            return False
        return found is not None

    def subjects(self) -> Sequence[str]:
        """Return the subjects we may see, in no order; never from memory."""
        return self._asked(lambda: _texts(self._client.get_subjects())) or []

    def latest(self, subject: str) -> SubjectVersion | None:
        """Return the newest version of a subject; never from memory."""
        found = self._asked(lambda: _version_in(self._client.get_version(subject, "latest")))
        if found is None:
            return None
        schema = self._whole(found.schema)
        return None if schema is None else SubjectVersion(found.schema_id, found.version, schema)

    def id_of(self, subject: str, text: str) -> int | None:
        """Return the id under which a subject holds this Avro schema.

        Raises:
            SchemaIncompatible: The registry does not take it for a schema.
        """
        return self._offered(lambda: _id_in(self._client.lookup_schema(subject, _avro(text))))

    def register(self, subject: str, text: str) -> int:
        """Register an Avro schema under a subject and return its id; the id it has when it is there already.

        Raises:
            SchemaIncompatible: The subject's rule of compatibility refuses it.
        """
        found = self._offered(lambda: _whole_number(self._client.register_schema(subject, _avro(text)), "id"))
        if found is None:
            raise SchemasUnavailable(f"the schema registry {self.url} has no place for the subject {subject!r}")
        return found

    def is_compatible(self, subject: str, text: str) -> bool:
        """Return whether the subject's rule would take this Avro schema as its next version."""
        if self._is_mock:
            return True  # it takes anything
        try:
            answer = self._offered(lambda: _truth(self._test(subject, _avro(text))))
        except SchemaIncompatible:
            return False
        return answer is not False  # nothing there yet: nothing to be compatible with

    def _test(self, subject: str, schema: Any) -> Any:
        """Ask about all versions, as a rule may look at each; registries that cannot are asked about the newest."""
        try:
            return self._client.test_compatibility_all_versions(subject, schema)
        except SchemaRegistryError as error:
            if error.http_status_code not in (404, 405):
                raise
        return self._client.test_compatibility(subject, schema)

    def _offered(self, ask: Callable[[], _T]) -> _T | None:
        """Return what ``_asked`` does, of a question with a schema in it.

        Raises:
            SchemasUnavailable: No definite answer.
            SchemaIncompatible: The registry refuses the schema.
        """
        try:
            return self._asked(ask)
        except SchemasUnavailable as error:
            cause = error.__cause__
            if isinstance(cause, SchemaRegistryError) and _is_refusal(cause):
                said = _one_line(cause.error_message)
                raise SchemaIncompatible(f"the schema registry {self.url} refuses the schema: {said}") from cause
            raise

    def _asked(self, ask: Callable[[], _T]) -> _T | None:
        """Return what the registry answers, None where it says that it does not have it.

        Raises:
            SchemasUnavailable: It says neither, or not in time.
        """
        try:
            return self._patience.wait_for(lambda: self._answer(ask))
        except TimeoutError as error:
            raise SchemasUnavailable(
                f"the schema registry {self.url} does not answer in time ({error}): is it up?"
            ) from error

    def _answer(self, ask: Callable[[], _T]) -> _T | None:
        try:
            return ask()
        except SchemaRegistryError as error:
            if self._is_absence(error):
                return None
            raise SchemasUnavailable(f"the schema registry {self.url} {_why(error)}") from error
        except Exception as error:
            self._client.clear_caches()  # the client keeps what it was told, were it nonsense
            raise SchemasUnavailable(f"the schema registry {self.url} {_trouble(error)}") from error

    def _is_absence(self, error: SchemaRegistryError) -> bool:
        """Return whether this is the registry's own 404, not that of a proxy or of a url with a wrong path."""
        if error.http_status_code != 404:
            return False
        code: Any = error.error_code  # whatever stood in the answer
        return isinstance(code, int) and (code in _NOT_THERE or (code == 404 and self._is_registry()))

    def _is_registry(self) -> bool:
        """Return whether there is a registry under the url: some say a bare 404 for what they do not have."""
        try:
            return "AVRO" in _texts(self._client.get_schema_types())
        except Exception:
            return False

    def _whole(self, schema: Any) -> RegisteredSchema | None:
        """Return a schema together with all that it names.

        Raises:
            CodecError: It names too many, one in a circle, or one that is not there.
        """
        if schema is None:
            return None
        texts: dict[tuple[str, int], str] = {}
        self._collect(schema, texts, (), until=time.monotonic() + REFERENCES_S)
        return RegisteredSchema(schema.schema_str, _one_line(schema.schema_type), tuple(texts.values()))

    def _collect(
        self, schema: Any, texts: dict[tuple[str, int], str], path: tuple[tuple[str, int], ...], *, until: float
    ) -> None:
        """Put the texts of what a schema names into ``texts``, each after those that it names itself."""
        for reference in schema.references or ():
            subject, version = reference.subject, reference.version
            key = (subject, version)
            if key in texts:
                continue
            if key in path:
                raise CodecError(f"the schema names {subject} version {version} in a circle")
            if len(texts) + len(path) >= MAX_REFERENCES:
                raise CodecError(f"the schema names more than {MAX_REFERENCES} others")
            if time.monotonic() > until:  # what was found is kept by the client: the next look goes on from here
                raise SchemasUnavailable(f"the schema registry {self.url} is too slow for all that a schema names")
            found = self._referenced(subject, version)
            self._collect(found, texts, (*path, key), until=until)
            texts[key] = found.schema_str

    def _referenced(self, subject: str, version: int) -> Any:
        found = self._asked(lambda: _version_in(self._client.get_version(subject, version, deleted=True)))
        if found is None:
            raise CodecError(f"the schema names {subject} version {version}, which the registry does not have")
        return found.schema

    def _mock_subjects(self, schema_id: int) -> list[str]:
        """Return what the client's stand-in cannot be asked for directly."""
        return [
            subject
            for subject in self._client.get_subjects()
            for version in self._client.get_versions(subject)
            if self._client.get_version(subject, version).schema_id == schema_id
        ]


def without_userinfo(conf: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the name and password of the url where the client looks for them otherwise.

    >>> without_userinfo({"url": "http://me:it%3As@here:8081"})
    {'url': 'http://here:8081', 'basic.auth.user.info': 'me:it:s'}
    """
    settings = dict(conf)
    urls = []
    for url in str(settings.get("url", "")).split(","):
        parts = urlsplit(url.strip())
        host = parts.netloc.rpartition("@")[2]
        urls.append(parts._replace(netloc=host).geturl())
        if parts.username is not None and "basic.auth.user.info" not in settings:
            settings["basic.auth.user.info"] = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    settings["url"] = ",".join(urls)
    return settings


def _new_client(settings: dict[str, Any]) -> Any:
    client: Any = SchemaRegistryClient(settings)
    session = client._rest_client.session
    session.headers["Accept-Encoding"] = "identity"
    session.event_hooks = {"response": [_read]}
    return client


def _read(response: Any) -> None:
    """Read an answer before the client does, as much of it as may be."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise ValueError("an answer that is packed, as was not asked for")
    parts: list[bytes] = []
    size = 0
    for part in response.iter_raw():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise ValueError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        parts.append(part)
    response._content = b"".join(parts)


@cache
def _mock_client(url: str) -> Any:
    """Return the one stand-in of this name."""
    client: Any = SchemaRegistryClient
    return client.new_client({"url": url})


def _avro(text: str) -> Any:
    return Schema(text, AVRO)


def _checked(schema: Any) -> Any:
    """Return a schema as it must be; the client passes on whatever stood in the answer."""
    kind = schema.schema_type
    if not isinstance(schema.schema_str, str) or not isinstance(kind, str):
        raise TypeError("a schema without its text")
    for reference in schema.references or ():
        if not isinstance(reference.subject, str):
            raise TypeError("a reference without its subject")
        _whole_number(reference.version, "version")
    return schema


def _version_in(registered: Any) -> Any:
    _checked(registered.schema)
    _whole_number(registered.schema_id, "id")
    _whole_number(registered.version, "version")
    return registered


def _id_in(registered: Any) -> int:
    return _whole_number(registered.schema_id, "id")


def _whole_number(value: Any, name: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"no {name}")
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError("neither yes nor no")
    return value


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("no list of names")
    return value


def _is_refusal(error: SchemaRegistryError) -> bool:
    code: Any = error.error_code  # whatever stood in the answer
    return error.http_status_code in _REFUSED and isinstance(code, int) and code != SchemaRegistryError.UNKNOWN


def _why(error: SchemaRegistryError) -> str:
    """Return what an answer that is no answer means, and what to do."""
    status, said = error.http_status_code, _one_line(error.error_message)
    if status in (401, 403):
        return f"does not let us in (HTTP {status}): check schema_registry.basic.auth.user.info, or what it may read"
    if error.error_code == SchemaRegistryError.UNKNOWN or status == 404:
        return f"answers HTTP {status}, but not as a schema registry does: check schema_registry.url"
    return f"answers HTTP {status}: {said}"


def _trouble(error: Exception) -> str:
    kind = type(error).__name__
    if "Timeout" in kind:
        return "does not answer in time: is it up?"
    if "Connect" in kind or "Protocol" in kind or "Network" in kind or kind in ("ReadError", "WriteError"):
        return f"cannot be reached ({_one_line(error) or kind}): is it up, and is schema_registry.url right?"
    if isinstance(error, TypeError | ValueError | AttributeError | KeyError):
        return f"answers, but not as a schema registry does ({_one_line(error)}): check schema_registry.url"
    return f"cannot be asked: {kind}: {_one_line(error)}"


def _one_line(text: object) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= MAX_SAID else f"{line[: MAX_SAID - 1]}…"
