"""Files that are served as models by this kernel: held by name, and ended when they are held no more."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from llm_magics.config import Layer

if TYPE_CHECKING:
    from llm_magics.local.served import Served


class ServedModels:
    """The local models of a kernel.

    Attributes:
        state: them by name; what is put back holds again, see `restore`.
    """

    def __init__(self) -> None:
        self.state: Mapping[str, Served] = {}

    def __bool__(self) -> bool:
        return bool(self.state)

    @property
    def names(self) -> list[str]:
        """What they are called."""
        return list(self.state)

    @property
    def files(self) -> list[Path]:
        """The files that they are, in the same order."""
        return [one.path for one in self.state.values()]

    def hold(self, served: Served) -> None:
        """Keep one until the configuration is reset or the kernel ends."""
        self.state = {**self.state, served.name: served}

    def let_go(self, name: str) -> None:
        """Hold none of this name; whoever set that ends it, see `end_others`."""
        self.state = {other: served for other, served in self.state.items() if other != name}

    def let_go_all(self) -> None:
        """The same for all of them."""
        self.state = {}

    def restore(self, state: Mapping[str, Served]) -> None:
        """Hold again what was held; what was begun since ends."""
        started, self.state = self.state, state
        self.end_others(started)

    def end_others(self, before: Mapping[str, Served]) -> None:
        """End what was held before, and is no more."""
        for one in before.values():
            if one not in self.state.values():
                one.end()

    def end_all(self) -> None:
        """End them; none is held any more."""
        self.restore({})

    def is_one(self, name: object) -> bool:
        """Whether this is a local model, or another name for one."""
        return isinstance(name, str) and name.partition("/")[0] in self.state

    def of_file(self, path: Path) -> Served | None:
        """The model that a file became, whether it still runs or not."""
        return next((one for one in self.state.values() if one.serves(path)), None)

    def at(self, base_url: str) -> Served | None:
        """The model at an address."""
        return next((one for one in self.state.values() if one.base_url == base_url), None)

    def layers(self) -> list[Layer]:
        """Them as models of the configuration."""
        if not self.state:
            return []
        from llm_magics.local.served import layer

        return [layer(self.state.values())]
