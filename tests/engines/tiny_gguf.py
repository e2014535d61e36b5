"""Real GGUF chat models small enough to write in a test, whose every word is known beforehand.

The trick: all weights inside the one layer are zero, so nothing but the last token reaches the output, and the output
matrix is a table "after this token comes that one". Tokenizer, chat template, sampler, grammar and tool-call parser of
the engine run for real; only the thinking is canned. What a model says starts from a cue, a control token that its chat
template puts last.

Because a token has one successor, none may appear twice in what a model says: `_unique_pieces` sees to that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import numpy as np

SENTENCE = "Greetings from a model that fits on a floppy disk, or nearly so."
TOOL = "get_weather"
ARGUMENTS = {"city": "Oslo", "unit": "c"}

END = "<|im_end|>"
START = "<|im_start|>"
SAY = "<|cue_say|>"
CALL = "<|cue_call|>"  # not "<|call|>": llama.cpp takes that name for an end of turn, and aborts
CONTROLS = (END, START, SAY, CALL)
HEADS = 4
FEED_FORWARD = 32
CERTAINTY = 4.0  # after the norm a successor's logit is this times √width: beyond any temperature

CHAT = """\
{%- for message in messages %}<|im_start|>{{ message.role }}
{{ message.content or '' }}<|im_end|>
{% endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
<|cue_say|>{% endif %}"""

# llama.cpp renders this with sample calls to learn what a call looks like, and then expects exactly that, blanks
# included: so no line breaks inside <tool_call>, because the model says none
CHAT_WITH_TOOLS = """\
{%- if tools %}<|im_start|>system
Functions you may call are listed in <tools></tools>:
<tools>{% for tool in tools %}
{{ tool | tojson }}{% endfor %}
</tools>
To call one, answer with its name and arguments as JSON:
<tool_call>
{"name": <function-name>, "arguments": <arguments>}
</tool_call><|im_end|>
{% endif -%}
{%- for message in messages %}
{%- if message.role == 'tool' %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content or '' }}
{%- for call in message.tool_calls or [] %}
{%- set given = call.function.arguments %}
<tool_call>{"name": "{{ call.function.name }}", "arguments": {{ given | tojson if given is mapping else given }}}\
</tool_call>
{%- endfor %}<|im_end|>
{% endif %}
{%- endfor -%}
{%- if add_generation_prompt %}<|im_start|>assistant
{{ '<|cue_call|>' if tools and messages[-1].role != 'tool' else '<|cue_say|>' }}{% endif %}"""


def write_scripted(path: Path | str, sentence: str = SENTENCE, *, n_ctx: int = 8192) -> Path:
    """Write a model that answers everything with this sentence."""
    return _write(path, {SAY: _words(sentence)}, CHAT, n_ctx)


def write_tool_caller(
    path: Path | str,
    sentence: str = SENTENCE,
    *,
    tool: str = TOOL,
    arguments: Mapping[str, Any] = ARGUMENTS,
    n_ctx: int = 8192,
) -> Path:
    """Write a model that calls the tool when tools are offered and none has just answered, and else says the sentence.

    It calls that one tool whatever the offered ones are named; where the engine holds it to their grammar, offer that
    tool, with the arguments in that order.
    """
    call = ["<tool_call>", '{"name": "', tool, '", "arguments": ', json.dumps(arguments), "} ", "</tool_call>"]
    return _write(path, {SAY: _words(sentence), CALL: call}, CHAT_WITH_TOOLS, n_ctx)


def _words(sentence: str) -> list[str]:
    first, *rest = sentence.split(" ")
    return [first, *(f" {word}" for word in rest)]


def _unique_pieces(lines: Sequence[Sequence[str]]) -> list[list[str]]:
    """The same texts in pieces that never repeat: a piece said before is glued to the one in front of it."""
    seen: set[str] = set()
    result = []
    for line in lines:
        pieces: list[str] = []
        for text in line:
            piece = text
            while piece in seen and pieces:
                glued = pieces.pop()
                seen.discard(glued)
                piece = glued + piece
            if piece in seen:
                raise ValueError(f"two chains begin with {piece!r}, and a token has only one successor")
            seen.add(piece)
            pieces.append(piece)
        result.append(pieces)
    return result


def _write(path: Path | str, said: Mapping[str, Sequence[str]], template: str, n_ctx: int) -> Path:
    alphabet = _byte_alphabet()
    lines = [["".join(alphabet[b] for b in text.encode()) for text in line] for line in said.values()]
    chains = [[cue, *pieces, END] for cue, pieces in zip(said, _unique_pieces(lines), strict=True)]
    known = dict.fromkeys(alphabet)  # one-character pieces are in the alphabet already
    words = [token for chain in chains for token in chain[1:-1] if token not in known]
    tokens = [*alphabet, *words, *CONTROLS]
    successor = dict.fromkeys(tokens, END)
    for chain in chains:
        successor.update(pairwise(chain))
    _save(Path(path), tokens, successor, template, n_ctx)
    return Path(path)


def _byte_alphabet() -> list[str]:
    """The printable character that stands for each byte in GPT-2's vocabulary."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    spare = iter(range(0x100, 0x200))
    return [chr(byte if byte in printable else next(spare)) for byte in range(256)]


def _save(path: Path, tokens: list[str], successor: Mapping[str, str], template: str, n_ctx: int) -> None:
    width = -(-len(tokens) // 32) * 32  # one direction of its own for each token
    ids = {token: number for number, token in enumerate(tokens)}
    writer = gguf.GGUFWriter(str(path), "llama")
    _describe(writer, width, len(tokens), n_ctx)
    _add_tokenizer(writer, tokens, ids, template)
    for name, values in _tensors(width, tokens, ids, successor).items():
        writer.add_tensor(f"{name}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _describe(writer: gguf.GGUFWriter, width: int, vocabulary: int, n_ctx: int) -> None:
    writer.add_name("tiny")
    writer.add_context_length(n_ctx)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(FEED_FORWARD)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(width // HEADS)
    writer.add_vocab_size(vocabulary)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)


def _add_tokenizer(writer: gguf.GGUFWriter, tokens: list[str], ids: Mapping[str, int], template: str) -> None:
    kind = gguf.TokenType
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([kind.CONTROL if token in CONTROLS else kind.NORMAL for token in tokens])
    writer.add_token_merges(["t h"])  # the list may not be empty; this one is never used, for want of a token "th"
    writer.add_bos_token_id(ids[START])
    writer.add_eos_token_id(ids[END])
    writer.add_eot_token_id(ids[END])
    writer.add_add_bos_token(False)
    writer.add_chat_template(template)


def _tensors(
    width: int, tokens: list[str], ids: Mapping[str, int], successor: Mapping[str, str]
) -> dict[str, np.ndarray[Any, Any]]:
    square, ones = np.zeros((width, width), np.float32), np.ones(width, np.float32)
    following = np.zeros((len(tokens), width), np.float32)
    for token, after in successor.items():
        following[ids[after], ids[token]] = CERTAINTY
    layer = {
        "attn_norm": ones,
        **dict.fromkeys(("attn_q", "attn_k", "attn_v", "attn_output"), square),
        "ffn_norm": ones,
        **dict.fromkeys(("ffn_gate", "ffn_up"), np.zeros((FEED_FORWARD, width), np.float32)),
        "ffn_down": np.zeros((width, FEED_FORWARD), np.float32),
    }
    return {
        "token_embd": np.eye(len(tokens), width, dtype=np.float32),
        "output": following,
        "output_norm": ones,
        **{f"blk.0.{name}": values for name, values in layer.items()},
    }
