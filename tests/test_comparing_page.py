"""A comparison on a page: a real kernel, every message of its output channel counted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from far_end import FarEnd
from kernels import Kernel, Ran, kernel

NAMES = ("one", "two", "three", "four")
WORDS = " ".join(["The keeper counted the ships that went by, one by one."] * 8) + "\n\n"
WIDGET = "application/vnd.jupyter.widget-view+json"
LONG = (WORDS * 102).strip()  # some 10,000 tokens


@pytest.fixture(scope="module")
def far() -> Iterator[FarEnd]:
    with FarEnd() as server:
        yield server


@pytest.fixture(scope="module")
def front(far: FarEnd, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    with kernel(LLM_MAGICS_DIR=str(folder), IPYTHONDIR=str(folder / "ipython")) as started:
        started.run("%load_ext llm_magics")
        for name in NAMES:
            assert not started.run(f"%llm_config --add {name} base_url={far.base_url} model={name}").error
        assert not started.run("%%llm\nThe first call imports.").error
        yield started


@pytest.fixture(autouse=True)
def fresh_script(far: FarEnd) -> None:
    far.reset()


def to(name: str) -> Any:
    """Whether a request is for this model."""
    return lambda request: request.is_chat and request.asks_for("model") == name


def shown(ran: Ran) -> str:
    """The one output of a cell, as a page shows it."""
    (output,) = ran.outputs
    return str(output["data"]["text/markdown"])


def test_the_saved_cell_holds_exactly_one_rendering_of_all_answers(front: Kernel, far: FarEnd) -> None:
    for name in NAMES:
        far.when(to(name)).answers(f"I am **{name}**. " * 20, chunk=8, gap=0.01)
    ran = front.run("%%llm -m one two three four\nHi")
    (output,) = ran.outputs
    assert output["output_type"] == "execute_result"
    assert set(output["data"]) == {"text/markdown", "text/plain"}
    for name in NAMES:
        assert f"I am **{name}**." in output["data"]["text/markdown"]
        assert f"I am **{name}**." in output["data"]["text/plain"]
    assert len(ran.of("display_data", "update_display_data")) > 3, "it streamed"


def test_each_lane_is_on_the_page_before_the_slowest_has_ended(front: Kernel, far: FarEnd) -> None:
    far.when(to("one")).answers("Early bird.", ttft=0.1)
    far.when(to("two")).answers("Late riser.", ttft=1.5)
    ran = front.run("%%llm -m one two\nHi")
    first = next(message for message in ran.messages if "Early bird." in json.dumps(message.content))
    assert "Late riser." not in json.dumps(first.content)
    assert first.at < ran.seconds - 0.5


def test_a_failure_is_on_the_page_while_others_go_on(front: Kernel, far: FarEnd) -> None:
    far.when(to("one")).fails(401, {"error": {"message": "not you"}})
    far.when(to("two")).answers("Slowly.", ttft=1.5)
    ran = front.run("%%llm -m one two\nHi")
    assert any("not you" in json.dumps(message.content) for message in ran.of("display_data", "update_display_data"))
    assert "not you" in shown(ran)


@pytest.mark.parametrize("chunk", [8, 2_000], ids=["token by token", "in large pieces"])
def test_four_long_answers_keep_within_the_limits_of_a_page_and_are_whole(
    front: Kernel, far: FarEnd, chunk: int
) -> None:
    for name in NAMES:
        far.when(to(name)).answers(f"{name}: {LONG}", chunk=chunk)
    ran = front.run("%%llm -m one two three four\nHi", timeout=300)
    most, messages = ran.most_in_a_second()
    assert most <= 300_000
    assert messages <= 20
    page = shown(ran)
    assert "more characters" not in page
    for name in NAMES:
        assert f"{name}: {LONG}" in page


def test_while_answers_grow_a_page_is_sent_only_their_ends(front: Kernel, far: FarEnd) -> None:
    for name in ("one", "two"):
        far.when(to(name)).answers(WORDS * 100, chunk=200, gap=0.005)
    ran = front.run("%%llm -m one two\nHi", timeout=300)
    growing = ran.of("display_data", "update_display_data")
    assert len(growing) > 3
    assert max(message.size for message in growing) < 12_000
    assert any("characters above" in json.dumps(message.content) for message in growing)


def test_one_interrupt_leaves_what_is_there_as_one_output_and_the_error(front: Kernel, far: FarEnd) -> None:
    far.when(to("one")).answers("All of it.")
    far.when(to("two")).answers("Some, " * 1_000, chunk=6, gap=0.05)
    cell = front.start("%%llm -m one two\nHi")
    front.finish(cell, until="stop*")  # one has ended
    front.finish(cell, until="Some,")
    front.interrupt()
    front.finish(cell)
    rows = front.value("[(row['status'], bool(row['text'])) for row in _llm.rows()]")
    assert rows == [["ok", True], ["interrupted", True]]
    assert front.run("1 + 1").outputs[0]["data"]["text/plain"] == "2"


def test_a_blind_comparison_stays_a_display_that_the_vote_completes(front: Kernel, far: FarEnd) -> None:
    far.when(to("one")).answers("First.")
    far.when(to("two")).answers("Second.")
    blind = front.run("%%llm -m one two --blind\nHi")
    output = blind.outputs[0]
    assert output["output_type"] == "display_data"
    assert "Which is best?" in output["data"]["text/markdown"]
    assert not {"one", "two"} & set(json.dumps(blind.outputs).replace("**", " ").split())
    page = updated(front.run("%llm_vote B"), output)
    assert "**A: " in page
    assert "Your vote: B" in page
    assert front.value("type(_llm).__name__") == "Comparison"


def updated(ran: Ran, output: dict[str, Any]) -> str:
    """What a later cell made of an output."""
    own = [m for m in ran.of("update_display_data") if m.content["transient"] == output["transient"]]
    return str(own[-1].content["data"].get("text/markdown", ""))


def test_where_widgets_live_a_button_votes_and_goes(front: Kernel, far: FarEnd) -> None:
    pytest.importorskip("ipywidgets")
    far.answers("Well.")
    answers, ballot = front.run("%%llm -m one two --blind\nHi").outputs
    assert set(ballot["data"]) == {WIDGET, "text/plain"}
    click = "next(w for w in _instances.values() if getattr(w, 'description', '') == {!r}).click()"
    voted = front.run(f"from ipywidgets.widgets.widget import _instances\n{click.format('a tie')}")
    assert "Your vote: tie" in updated(voted, answers)
    assert updated(voted, ballot) == ""
    assert front.value("[w for w in _instances.values() if getattr(w, 'description', '') == 'a tie']") == []
    again = front.run("%llm_vote A")
    assert "you have voted on this comparison: tie." in again.text + again.error


def test_a_vote_leaves_nothing_of_its_buttons_behind(front: Kernel, far: FarEnd) -> None:
    pytest.importorskip("ipywidgets")
    far.answers("Well.")
    known = "len(__import__('ipywidgets').Widget.get_manager_state()['state'])"
    before = front.value(known)
    front.run("%%llm -m one two --blind\nHi")
    assert front.value(known) > before
    front.run("%llm_vote tie")
    assert front.value(known) == before


def test_the_buttons_of_an_earlier_comparison_vote_on_that_one(front: Kernel, far: FarEnd) -> None:
    pytest.importorskip("ipywidgets")
    far.answers("Well.")
    earlier, _ = front.run("%%llm -m one two --blind\nHi").outputs
    front.run("%%llm -m one two three --blind\nHi")
    click = "next(w for w in _instances.values() if getattr(w, 'description', '') == 'B').click()"
    assert "Your vote: B" in updated(front.run(click), earlier)
    assert front.value("_llm.blind") is True


def test_hidden_names_are_in_no_widget(front: Kernel, far: FarEnd) -> None:
    pytest.importorskip("ipywidgets")
    far.answers("Well.")
    front.run("%%llm -m two three --blind\nHi")
    state = front.value("str(__import__('ipywidgets').Widget.get_manager_state())")
    assert not any(hidden in state for hidden in ("two", "three", far.base_url))


def test_an_answer_shown_alone_tells_what_may_name_its_model_only_after_the_vote(front: Kernel, far: FarEnd) -> None:
    for name in ("one", "three"):
        far.when(to(name)).answers("Well.", model=f"nobody-{name}")
    front.run("%%llm -m one three --blind\nHi")
    assert "nobody" not in json.dumps(front.run("_llm['A']").outputs)
    front.run("%llm_vote tie")
    assert "nobody-three" in json.dumps(front.run("_llm['three']").outputs)


def test_nothing_of_a_blind_comparison_tells_who_is_fast_while_it_goes_on(front: Kernel, far: FarEnd) -> None:
    far.when(to("one")).answers("Quick.")
    far.when(to("two")).answers("Slow.", ttft=1.0)
    ran = front.run("%%llm -m one two --blind\nHi")
    growing = [json.dumps(message.content) for message in ran.messages[:-1]]
    assert growing
    assert not any("Quick." in said for said in growing if "Slow." not in said)


def test_answers_stay_in_their_cell_whatever_is_queued_behind_it(front: Kernel, far: FarEnd) -> None:
    far.computes(lambda request: _echo(request))
    cells = [front.start(f"%%llm -m one two three four\ncell {number}") for number in range(12)]
    for number, cell in enumerate(cells):
        page = shown(front.finish(cell))
        assert page.count(f"This is cell {number}.") == 4
        assert page.count("This is cell") == 4


def _echo(request: Any) -> Any:
    from far_end import spoken

    return spoken(f"This is {request.body['messages'][-1]['content']}.", chunk=3, gap=0.002)
