"""``%llm_config``, ``%llm`` and ``%%llm``: a line and a cell are read, handed over, and the result handed back."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument

from llm_magics.interrupts import held, told
from llm_magics.parsers import parser_of, takes_arguments
from llm_magics.traits import Settings

OUTPUTS = ("markdown", "text", "code", "json")


@magics_class
class LLMMagics(Settings, Magics):
    """Prompt language models from a cell.

    Every trait is a setting, above files and the environment; ``%llm_config x=…`` and the selector set the same traits.
    None leaves a setting to the layers below.
    """

    @no_var_expand
    @takes_arguments
    @argument(
        "-m",
        "--model",
        metavar="MODEL",
        nargs="+",
        help="ask this model: a configured name, or NAME/SERVER-MODEL; several are asked at once (in a line: a,b)",
    )
    @argument("-n", "--repeat", metavar="N", help="ask each model so many times, and group equal answers")
    @argument("--blind", action="store_true", help="call models A, B … in random order until you vote: %%llm_vote A")
    @argument(
        "--judge",
        nargs=2,
        metavar=("MODEL", "CRITERIA"),
        help="let another model score the answers by these criteria, in two orders",
    )
    @argument("-s", "--system", metavar="SYSTEM", help="the system prompt of this cell")
    @argument("-t", "--temperature", metavar="TEMPERATURE", help="sampling temperature, 0 to 2")
    @argument("--max-tokens", metavar="N", help="the most tokens the answer may have")
    @argument("--param", metavar="KEY=VALUE", action="append", help="any other request parameter; may be given again")
    @argument(
        "--to",
        metavar="NAME",
        help="bind the answer's text to this variable (the code, or the value, with --as); of several, a dictionary",
    )
    @argument("--as", dest="output", metavar="FORMAT", choices=OUTPUTS, help="show as markdown, text, code or json")
    @argument(
        "--tools",
        metavar="NAMES",
        nargs="+",
        help="what the model may call: functions under @llm_magics.tool, frames (looks at dataframes), python (runs "
        "code, and asks first), an MCP server; several apart (in a line: a,b); none",
    )
    @argument("--no-stream", action="store_true", help="ask for the whole answer at once")
    @argument("--dry-run", action="store_true", help="show exactly what would be sent, and send nothing")
    @argument("--allow-secret", action="store_true", help="send the prompt although it holds what looks like a key")
    @argument("--raw", action="store_true", help="send {{ }} as it stands instead of putting values in")
    @line_cell_magic
    def llm(self, line: str, cell: str | None = None) -> Any:
        """Ask a language model; the answer streams into the output.

        Examples:

            %%llm
            Why is the sky blue?

            %%llm -m openai -t 0.2 --to summary
            Summarise these figures in two sentences:
            {{ df.describe() }}

            %%llm --as code
            A function that reads every CSV file of a folder into one dataframe.

            %%llm --tools frames
            Which region sells best? Look into my dataframes.

            %%llm -m openai anthropic
            Explain overfitting in two sentences.

            answer = %llm What is the capital of Norway?

        {{ expression }} puts a value of the notebook into the prompt; single
        braces are plain text. Afterwards _ is the message, and _llm the answer
        with its model, usage, timing and finish reason; of several models both
        are the comparison, which gives the messages by name. A cell that ends
        in ; shows nothing. Interrupting the kernel keeps what has arrived.

        A tool is a function with types and a docstring under @llm_magics.tool,
        or what %llm_config --tools lists. Each call is shown; those that do
        something ask first. _llm.steps has the calls, _llm.tables the
        dataframes that they gave, _llm.messages the whole conversation.
        """
        with told():
            with held():
                from llm_magics.commands import cells

            return cells.run(self.shell, cells.read_ask(parser_of(self.llm), line, cell), alone=cell is not None)

    @no_var_expand
    @takes_arguments
    @argument("--file", metavar="PATH", help="read settings from a TOML, YAML or JSON file")
    @argument("--add", metavar="NAME", help="add a model: --add NAME base_url=… model=… api_key_env=…")
    @argument(
        "--local",
        metavar="PATH.gguf | ORG/REPO[:FILE]",
        help="serve a GGUF file here, without a server; one of the model hub's is fetched first, if you say so",
    )
    @argument(
        "--models",
        metavar="PATTERN",
        nargs="?",
        const="*",
        help="list models, also those the endpoints list themselves",
    )
    @argument(
        "--check",
        metavar="MODEL",
        nargs="?",
        const="",
        help="find out what does not work with this model, or the current one, and what to do; asks it a few times",
    )
    @argument(
        "--caps",
        metavar="forget",
        nargs="?",
        const="show",
        help="show what endpoints turned out not to take; forget it: --caps forget, or --caps forget MODEL",
    )
    @argument("--tools", action="store_true", help="list what models may call, and who decides on each")
    @argument(
        "--policy",
        metavar="TOOL=allow|ask|deny",
        action="append",
        help="let a tool, or all of a toolset, run by itself, after a question, or never, until the kernel ends; "
        "several with commas between",
    )
    @argument("--arena", action="store_true", help="show which models win this project's blind comparisons")
    @argument(
        "--mcp",
        metavar="NAME COMMAND … | NAME URL",
        nargs="?",
        const="",
        help="use the tools of an MCP server; all that stands behind NAME is its command. Alone: list the servers",
    )
    @argument("--ask-key", metavar="NAME", help="type a model's key at a prompt that does not show it")
    @argument(
        "--trust",
        action="store_true",
        help="let this project's file, as it is, say where prompts and keys go",
    )
    @argument("--save", action="store_true", help="write what was set here into your own file; never a key")
    @argument(
        "--reset",
        action="store_true",
        help="forget what was set, added, typed or learnt here; end what --local serves",
    )
    @argument("--unset", metavar="NAME", action="append", help="take one setting back; may be given again")
    @argument("settings", nargs="*", metavar="MODEL | KEY=VALUE", help="choose a model; set parameters")
    @line_magic
    def llm_config(self, line: str) -> None:
        """Show or change what prompts are sent with.

        Examples:

            %llm_config                                  what is set, and where from; the selector
            %llm_config openai                           choose a model
            %llm_config openai/gpt-5.4                   another model of the same endpoint
            %llm_config temperature=0.2 max_tokens=500 system="Be brief."
            %llm_config --unset temperature              as it was before
            %llm_config --add local base_url=http://localhost:8000/v1 model=qwen3
            %llm_config --local models/qwen3-4b.gguf     serve a file, in a process that ends with the kernel
            %llm_config --local unsloth/Qwen3-4B-GGUF:Q8_0   fetch it from the model hub first
            %llm_config --mcp time uvx mcp-server-time   use an MCP server's tools; each asks before it runs
            %llm_config --models *mini*                  also what the endpoints list themselves
            %llm_config --check                          what does not work, and what to do
            %llm_config --caps                           what endpoints turned out not to take
            %llm_config --arena                          which models your votes prefer
            %llm_config tools=frames,weather             what models may call, from now on
            %llm_config --tools                          what there is to call, and who decides
            %llm_config --policy weather=deny            … which you may change
            %llm_config images=ask                       ask before a picture is loaded from a host
            %llm_config --ask-key openai                 type a key; it stays in this kernel's memory

        Alone in a notebook it shows the selector, whose clicks do what such a line does,
        and shows that line. %config LLMMagics.temperature = 0.2 sets the same settings;
        --unset and --reset bring back what that had set.

        A key never stands on this line: it would be saved in the notebook and in
        IPython's history.
        """
        with told():
            with held():
                from llm_magics.commands import settings

            settings.run(self.shell, settings.read(parser_of(self.llm_config), line))

    @line_magic
    def llm_vote(self, line: str) -> None:
        """Say which answer of the last blind comparison is best; then the names are shown.

        Examples:

            %llm_vote A
            %llm_vote tie        several are equally good
            %llm_vote none       all are bad

        Votes are kept on this machine; %llm_config --arena shows what they come to.
        """
        with told():
            with held():
                from llm_magics.commands import voting

            voting.vote(self.shell, line)
