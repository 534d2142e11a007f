"""Settings of the schema registry's client, verbatim; those that cannot work are refused with the mend."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from features.registry_patience import longest_look_s
from service.settings_kafka import Properties, properties
from service.settings_sections import Section

KNOWN: Final[Mapping[str, str]] = {
    "url": "Address of the registry, http(s)://host:port; several with commas between.",
    "basic.auth.user.info": "Name and password, name:password.",
    "bearer.auth.credentials.source": "STATIC_TOKEN, OAUTHBEARER or OAUTHBEARER_AZURE_IMDS.",
    "bearer.auth.token": "The token of STATIC_TOKEN.",
    "bearer.auth.logical.cluster": "The registry's logical cluster.",
    "bearer.auth.identity.pool.id": "The identity pool.",
    "bearer.auth.client.id": "Client id of OAUTHBEARER.",
    "bearer.auth.client.secret": "Client secret of OAUTHBEARER.",
    "bearer.auth.scope": "Scope of OAUTHBEARER.",
    "bearer.auth.issuer.endpoint.url": "Where tokens are had.",
    "bearer.auth.issuer.endpoint.query": "Query of OAUTHBEARER_AZURE_IMDS.",
    "ssl.ca.location": "File or folder of certificates to trust; false: trust any.",
    "ssl.certificate.location": "Our own certificate, PEM.",
    "ssl.key.location": "Its private key, PEM.",
    "ssl.key.password": "The password of that key.",
    "proxy": "Proxy to go through, http://host:port.",
    "timeout": "Seconds without a byte before a request is given up; default 5.",
    "max.retries": "How often a request is sent again; default 1.",
    "retries.wait.ms": "Longest wait before the first of these; default 100.",
    "retries.max.wait.ms": "Longest wait before any of these; default 1000.",
    "cache.capacity": "Newest versions that are kept.",
    "cache.latest.ttl.sec": "How long.",
}
NUMBERS: Final = frozenset(
    {"timeout", "max.retries", "retries.wait.ms", "retries.max.wait.ms", "cache.capacity", "cache.latest.ttl.sec"}
)
MAX_LOOK_S: Final = 50.0  # two may follow each other, and a watchdog ends a decoding of 120 s (Limits.scoring_timeout)
_SOURCES: Final = ("STATIC_TOKEN", "OAUTHBEARER", "OAUTHBEARER_AZURE_IMDS")
_URL: Final = re.compile(r"^(https?|mock)://[^\s/?#]")
_USERINFO: Final = re.compile(r"(?<=://)[^/?#\s,]*@")


class RegistrySettings(Section):
    """Confluent's client settings of the schema registry; empty: there is none."""

    properties: Properties = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _take(cls, data: Any) -> Any:
        return {"properties": properties(data, "")} if isinstance(data, Mapping) else data

    @property
    def is_set(self) -> bool:
        """Return whether there is a registry."""
        return bool(self.properties)

    def client_conf(self) -> dict[str, Any]:
        """Return the settings with the types that the client wants."""
        conf: dict[str, Any] = dict(self.properties)
        for key in NUMBERS & conf.keys():
            conf[key] = float(conf[key]) if "." in conf[key] else int(conf[key])
        if conf.get("ssl.ca.location", "").lower() == "false":
            conf["ssl.ca.location"] = False
        return conf

    def flat(self) -> dict[str, str | None]:
        """Return every property under its path in the service file, without the leading ``schema_registry.``."""
        return {"url": None, **self.properties}

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """Return the schema of the section as it is written, not as it is kept."""
        del core, handler
        value = ["string", "number", "boolean"]
        return {
            "type": "object",
            "description": cls.__doc__,
            "properties": {key: {"type": value, "description": text} for key, text in KNOWN.items()},
            "additionalProperties": False,
        }


def hide_userinfo(value: str, hidden: str) -> str:
    """Return a url, or several, with the name and password in it hidden.

    >>> hide_userinfo("http://me:secret@here:8081", "***")
    'http://***@here:8081'
    """
    return _USERINFO.sub(f"{hidden}@", value)


def registry_refusals(registry: RegistrySettings) -> Iterator[str]:
    """Yield one line for each property that cannot work, with the path, the reason and the mend."""
    given = registry.properties
    for key in given:
        if key not in KNOWN:
            yield f"schema_registry.{key}: {_unknown(key)}"
    if given:
        yield from _url_refusals(given)
        yield from _token_refusals(given)
        yield from _number_refusals(given)


def _unknown(key: str) -> str:
    if key.startswith("bearer.auth.custom."):
        return "callbacks cannot be set from a file"
    near = difflib.get_close_matches(key, KNOWN, n=1, cutoff=0.6)
    known = f"did you mean 'schema_registry.{near[0]}'?" if near else f"known here: {', '.join(KNOWN)}"
    return f"unknown key; {known}"


def _url_refusals(given: Properties) -> Iterator[str]:
    if "url" not in given:
        yield "schema_registry.url: is missing; name the registry, for instance 'http://localhost:8081'"
        return
    urls = [url.strip() for url in given["url"].split(",")]
    if not all(map(_URL.match, urls)):
        yield "schema_registry.url: must be http://host:port or https://host:port, several with commas between"
    elif any(url.startswith("mock://") for url in urls) and len(urls) > 1:
        yield "schema_registry.url: mock:// is a registry inside this process, and stands alone"
    user = given.get("basic.auth.user.info")
    if user is not None and any("@" in urlsplit(url).netloc for url in urls):
        yield "schema_registry.basic.auth.user.info: the url names a user as well; keep one of them"
    if user is not None and ":" not in user:
        yield "schema_registry.basic.auth.user.info: must be name:password"


def _token_refusals(given: Properties) -> Iterator[str]:
    source = given.get("bearer.auth.credentials.source")
    tokens = [key for key in given if key.startswith("bearer.auth.")]
    if source is None and tokens:
        yield f"schema_registry.{tokens[0]}: needs bearer.auth.credentials.source, one of {', '.join(_SOURCES)}"
    elif source is not None and source not in _SOURCES:
        yield f"schema_registry.bearer.auth.credentials.source: must be one of {', '.join(_SOURCES)}, not {source!r}"


def _number_refusals(given: Properties) -> Iterator[str]:
    wrong = [key for key in sorted(NUMBERS & given.keys()) if not _is_number(given[key])]
    for key in wrong:
        yield f"schema_registry.{key}: must be a plain number, as the client wants it, not {given[key]!r}"
    if wrong:
        return
    if float(given.get("timeout", "5")) <= 0:
        yield "schema_registry.timeout: must be more than 0 seconds"
    longest = longest_look_s({"url": "", "timeout": "5", "max.retries": "1", "retries.max.wait.ms": "1000", **given})
    if longest > MAX_LOOK_S:
        yield (
            f"schema_registry.timeout: one look could take {longest:.0f} s with all retries and urls, and at most"
            f" {MAX_LOOK_S:.0f} s are allowed; lower timeout, max.retries or retries.max.wait.ms"
        )


def _is_number(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return math.isfinite(number) and number >= 0 and re.fullmatch(r"[0-9.]+", text) is not None
