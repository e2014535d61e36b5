"""What was learnt about endpoints while asking them: which of a request's parts a model there does not take."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from llm_magics.refusals.adapt import Finding, fitted


class Capabilities:
    """Findings by endpoint and the server's name of the model; kept for as long as the session."""

    def __init__(self) -> None:
        self._found: dict[tuple[str, str], dict[str, Finding]] = {}

    def __iter__(self) -> Iterator[tuple[str, str, Finding]]:
        """Base URL, model and finding, in the order they were learnt."""
        for (base_url, model), findings in self._found.items():
            for finding in findings.values():
                yield base_url, model, finding

    def learn(self, base_url: str, model: str, findings: Mapping[str, Finding]) -> None:
        """Keep what an exchange, or a check, found out."""
        if findings:
            self._found.setdefault((base_url, model), {}).update(findings)

    def unlearn(self, base_url: str, model: str, names: Collection[str]) -> None:
        """Let go of what turned out to be taken after all."""
        findings = self._found.get((base_url, model), {})
        for name in set(names) & set(findings):
            del findings[name]

    def forget(self, base_url: str | None = None, model: str | None = None) -> int:
        """Let go of what was learnt of a model at an endpoint, or of all; how many findings that were."""
        gone = [place for place in self._found if base_url is None or place == (base_url, model)]
        return sum(len(self._found.pop(place)) for place in gone)

    def fit(self, base_url: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """A request without what this endpoint is known to refuse."""
        return fitted(body, list(self._found.get((base_url, str(body.get("model"))), {})))
