"""What ``%llm_config --tools`` shows, and what ``--policy`` changes: which tools there are, and who decides on each."""

from __future__ import annotations

import re
from typing import Any

from llm_magics import live, session, terminal
from llm_magics.config import names_of
from llm_magics.errors import PromptError
from llm_magics.key_shapes import masked
from llm_magics.tables import page_table, plain_table
from llm_magics.toolbox import policy_of
from llm_magics.tools import FLAGS, Tool
from llm_magics.tools.functions import tool_of

HEAD = ("tool", "from", "runs", "offered", "holds", "does")
RUNS = {"allow": "by itself", "ask": "after a question", "deny": "never"}
DESCRIBED = 80  # characters of what a tool does
SHORTEST = 20  # of them, however narrow the terminal
NOTHING = "There are no tools of yours yet: put @llm_magics.tool above a function with types and a docstring."


def show_tools(shell: Any) -> list[str]:
    """A table of all there are; lines to go with it."""
    here = session.current()
    setting = here.configuration.config.setting("tools")
    offered = set(names_of(setting.value if setting else None))
    tools = here.toolbox.listed(shell.user_ns)
    offered |= {tool.name for tool in (tool_of(shell.user_ns.get(name)) for name in offered) if tool is not None}
    rows = [_row(tool, offered) for tool in tools]
    bundle = {"text/plain": plain_table(HEAD, _fitting(rows)), "text/markdown": page_table(HEAD, rows)}
    live.show(bundle, page=live.is_page(shell))
    return [
        *([] if any(not tool.toolset for tool in tools) else [NOTHING]),
        "Offer them, or a whole toolset, with %%llm --tools NAME,NAME, or for the session with "
        "%llm_config tools=NAME,NAME.",
        "Let one run by itself, after a question, or never, with %llm_config --policy NAME=allow, ask or deny.",
    ]


def _row(tool: Tool, offered: set[str]) -> tuple[str, ...]:
    said = re.split(r"(?<=[.!?])\s", masked(tool.description.strip().partition("\n")[0]))[0]
    return (
        tool.name,
        tool.toolset or "yours",
        RUNS[tool.policy],
        "yes" if {tool.name, tool.toolset} & offered else "",
        ", ".join(flag.replace("_", " ") for flag in FLAGS if flag in tool.flags),
        said if len(said) <= DESCRIBED else f"{said[: DESCRIBED - 1]}…",
    )


def _fitting(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """The rows with what tools do cut to the width of a terminal, as far as there is room for it at all."""
    taken = sum(2 + max(len(row[place]) for row in (HEAD, *rows)) for place in range(len(HEAD) - 1))
    room = max(SHORTEST, terminal.columns() - taken)
    return [(*row[:-1], row[-1] if len(row[-1]) <= room else f"{row[-1][: room - 1]}…") for row in rows]


def decide(shell: Any, words: list[str]) -> list[str]:
    """Say of tools who decides on their calls; what lets one do more is asked about first.

    Raises:
        UserMistake: there is no such tool or policy, or nobody could be asked.
    """
    toolbox, done = session.current().toolbox, []
    given = [policy_of(one) for word in words for one in word.split(",") if one.strip()]
    each = [(tool, policy) for name, policy in given for tool in toolbox.members(name, shell.user_ns)]
    for name, policy in each:
        if toolbox.loosens(name, policy, shell.user_ns):
            word = live.answered(f"Let {name} run {RUNS[policy]} until the kernel ends? [y/N] ")
            if word is None:
                raise PromptError(
                    f"{name}: only a person at the keyboard lets a tool do more, and none can be asked here."
                )
            if word not in ("y", "yes"):
                done.append(f"{name} stays as it was.")
                continue
        tool = toolbox.decide(name, policy, shell.user_ns)
        done.append(f"{tool.name} runs {RUNS[policy]}, until the kernel ends.")
    return done
