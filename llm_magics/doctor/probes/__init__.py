"""The probes of a check, in their order: from the outside in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from llm_magics.doctor.checkup import Checkup, Row
from llm_magics.doctor.probes import answers, place, requests, way

Probe = Callable[[Checkup], Awaitable[Row]]
OWN = "your settings"  # the one that needs something to try

PROBES: Mapping[str, Probe] = {
    "address": way.address,
    "host name": way.host_name,
    "connection": way.connection,
    "TLS": way.tls,
    "API": place.api,
    "key": place.key,
    "model": place.model,
    "answer": answers.answer,
    "max_tokens": answers.max_tokens,
    "streaming": answers.stream,
    "usage": answers.usage,
    "speed": answers.speed,
    "reasoning": answers.reasoning,
    "system role": requests.system_role,
    "temperature": requests.temperature,
    "tools": requests.tools,
    "JSON schema": requests.json_schema,
    OWN: requests.settings,
}


def probes_for(checkup: Checkup) -> Mapping[str, Probe]:
    """Those that have something to try."""
    has_own = bool(requests.own(checkup.patient.settings))
    return {name: probe for name, probe in PROBES.items() if name != OWN or has_own}
