"""``%llm_config``, ``%llm`` and ``%%llm``: a line and a cell are read, handed over, and the result handed back."""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments
from traitlets import Bool, Dict, Float, Int, Unicode

OUTPUTS = ("markdown", "text", "code", "json")


@magics_class
class LLMMagics(Magics):
    """Prompt language models from a cell.

    Every trait is a setting above the environment's and below ``%llm_config``; None leaves it to the layers below.
    """

    model = Unicode(None, allow_none=True, help="The model to ask: a configured name, or NAME/SERVER-MODEL.").tag(
        config=True
    )
    system = Unicode(None, allow_none=True, help="The system prompt.").tag(config=True)
    temperature = Float(None, allow_none=True, help="Sampling temperature, 0 to 2.").tag(config=True)
    max_tokens = Int(None, allow_none=True, help="The most tokens an answer may have.").tag(config=True)
    timeout = Float(None, allow_none=True, help="Seconds to wait for an answer; 120 where nothing is set.").tag(
        config=True
    )
    max_retries = Int(None, allow_none=True, help="How often a failure that may pass is tried again.").tag(config=True)
    stream = Bool(None, allow_none=True, help="Show the answer as it arrives.").tag(config=True)
    dotenv = Bool(None, allow_none=True, help="Also read keys from a .env file beside the notebook.").tag(config=True)
    params = Dict(help="Further request parameters, such as {'top_p': 0.9}.").tag(config=True)

    @no_var_expand
    @magic_arguments()
    @argument("-m", "--model", metavar="MODEL", help="ask this model: a configured name, or NAME/SERVER-MODEL")
    @argument("-s", "--system", metavar="SYSTEM", help="the system prompt of this cell")
    @argument("-t", "--temperature", metavar="TEMPERATURE", help="sampling temperature, 0 to 2")
    @argument("--max-tokens", metavar="N", help="the most tokens the answer may have")
    @argument("--param", metavar="KEY=VALUE", action="append", help="any other request parameter; may be given again")
    @argument(
        "--to", metavar="NAME", help="bind the answer's text to this variable (the code, or the value, with --as)"
    )
    @argument("--as", dest="output", metavar="FORMAT", choices=OUTPUTS, help="show as markdown, text, code or json")
    @argument("--no-stream", action="store_true", help="ask for the whole answer at once")
    @argument("--dry-run", action="store_true", help="show exactly what would be sent, and send nothing")
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

            answer = %llm What is the capital of Norway?

        {{ expression }} puts a value of the notebook into the prompt; single
        braces are plain text. Afterwards _ is the message, and _llm the answer
        with its model, usage, timing and finish reason. A cell that ends in ;
        shows nothing. Interrupting the kernel keeps what has arrived.
        """
        from llm_magics import cells

        return cells.run(self.shell, cells.read_ask(self.llm.parser, line, cell), alone=cell is not None)

    @no_var_expand
    @magic_arguments()
    @argument("--file", metavar="PATH", help="read settings from a TOML, YAML or JSON file")
    @argument("--add", metavar="NAME", help="add a model: --add NAME base_url=… model=… api_key_env=…")
    @argument(
        "--models",
        metavar="PATTERN",
        nargs="?",
        const="*",
        help="list models, also those the endpoints list themselves",
    )
    @argument("--ask-key", metavar="NAME", help="type a model's key at a prompt that does not show it")
    @argument("--trust", action="store_true", help="let this project's file say where prompts and keys are sent")
    @argument("--save", action="store_true", help="write what was set here into your own file; never a key")
    @argument("--reset", action="store_true", help="forget what was set, added or typed here")
    @argument("settings", nargs="*", metavar="MODEL | KEY=VALUE", help="choose a model; set parameters")
    @line_magic
    def llm_config(self, line: str) -> None:
        """Show or change what prompts are sent with.

        Examples:

            %llm_config                                  what is set, and where each value came from
            %llm_config openai                           choose a model
            %llm_config openai/gpt-5.4                   another model of the same endpoint
            %llm_config temperature=0.2 max_tokens=500 system="Be brief."
            %llm_config --add local base_url=http://localhost:8000/v1 model=qwen3
            %llm_config --models *mini*                  also what the endpoints list themselves
            %llm_config --ask-key openai                 type a key; it stays in this kernel's memory

        A key never stands on this line: it would be saved in the notebook and in
        IPython's history.
        """
        from llm_magics import settings

        settings.run(self.shell, settings.read(self.llm_config.parser, line))

    def settings_made(self) -> dict[str, Any]:
        """The traits that have a value, as settings."""
        named = ("model", "system", "temperature", "max_tokens", "timeout", "max_retries", "stream", "dotenv")
        made = {name: getattr(self, name) for name in named if getattr(self, name) is not None}
        return {**self.params, **made}
