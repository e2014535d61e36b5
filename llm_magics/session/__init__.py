"""The composition root and the notebook's one state: what all magics of a kernel share.

The only module with a mutable global: the current session, which `current` gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llm_magics.comparisons.comparison import Comparison
from llm_magics.configuration import Configuration
from llm_magics.events import Answer, Ask
from llm_magics.lanes import Lane
from llm_magics.live import Painter
from llm_magics.manager import ModelManager
from llm_magics.mcp.servers import Servers
from llm_magics.refusals.capabilities import Capabilities
from llm_magics.runtime import Runtime
from llm_magics.session.answers import Answers
from llm_magics.session.contests import Contests
from llm_magics.session.dispatch import Dispatch
from llm_magics.session.examining import Examining
from llm_magics.session.preparing import Preparing
from llm_magics.session.prompting import Prompting
from llm_magics.toolbox import Toolbox

if TYPE_CHECKING:
    from llm_magics.boards import Board


class Session:
    """What all magics of a kernel share.

    Args:
        runtime: the event loop's thread; else one of its own.

    Attributes:
        configuration: every setting, and where it comes from.
        capabilities: what was learnt about endpoints.
        mcp_servers: the MCP servers that were connected to; see `mcp_tools.tools_of` for those that are configured.
        toolbox: what models may call, and who decides on it.
        answers: the last ones, and what they look like.
        preparing: what would be sent for a prompt.
        contests: the last comparison, and votes on it.
        examining: checks of endpoints.
        close_selector: takes the selector that is shown off its page.
    """

    def __init__(self, runtime: Runtime | None = None) -> None:
        runtime = runtime or Runtime()
        self.configuration = Configuration()
        self.capabilities = Capabilities()
        self.mcp_servers = Servers(runtime)
        self.toolbox = Toolbox(self.mcp_servers, self.configuration)
        self.answers = Answers(self.configuration)
        self.preparing = Preparing(self.configuration, self.capabilities, self.toolbox)
        dispatch = Dispatch(runtime, self.configuration, self.capabilities, self.answers)
        self.contests = Contests(self.preparing, dispatch, self.answers, self.configuration)
        self.examining = Examining(runtime, self.configuration, self.capabilities)
        self._prompting = Prompting(self.preparing, dispatch, self.answers, self.configuration, self.toolbox)
        self.close_selector: Callable[[], None] = lambda: None

    @property
    def manager(self) -> ModelManager:
        """The one ``ModelManager`` of this kernel; replaced only when the configuration changes."""
        return self.configuration.manager

    def ask(
        self,
        ask: Ask,
        namespace: Mapping[str, Any],
        painter: Callable[[str], Painter],
        keep: Callable[[Answer], None] = lambda answer: None,
    ) -> Answer:
        """Send a prompt, paint its answer as it grows, and keep what is left.

        ``keep`` is given the answer, whole or not, before anything is raised.

        Raises:
            UserMistake: nothing was sent.
            CallFailed: the call failed; an answer with what had arrived is handed to ``keep`` all the same.
            KeyboardInterrupt: someone stopped it; likewise, unless nothing had been sent.
        """
        return self._prompting.ask(ask, namespace, painter, keep)

    def compare(
        self,
        ask: Ask,
        namespace: Mapping[str, Any],
        board: Callable[[Sequence[Lane]], Board],
        keep: Callable[[Comparison], None] = lambda comparison: None,
    ) -> Comparison:
        """Send a prompt to several models at once, or several times, and paint all answers as they grow.

        ``keep`` is given the comparison, whole or not, before anything is raised.

        Raises:
            UserMistake: nothing was sent, to nobody.
            KeyboardInterrupt: someone stopped it; what is complete by then stays.
        """
        return self.contests.compare(ask, namespace, board, keep)


_current = Session()  # made here, as many threads may ask for it at once; nothing of it runs before the first prompt


def current() -> Session:
    """This kernel's session."""
    return _current
