"""The selector: the model and its settings as controls, which set at once what ``%llm_config`` would, and say how.

It is given a session, and makes none. What is set goes the way of ``%llm_config``, all or nothing; whatever is set
elsewhere is shown here as well. Front ends may speak to it on a thread of their own.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import ipywidgets

from llm_magics import checks
from llm_magics.choices import Choice, choices, listed_by_endpoints, where
from llm_magics.config import Sourced, parse_value
from llm_magics.errors import ConfigError, UserMistake, short
from llm_magics.key_shapes import masked, shape_in
from llm_magics.magic_lines import magic_lines
from llm_magics.safe.html import leaf, table, words
from llm_magics.secrets import redactor_of
from llm_magics.traits import ABSENT
from llm_magics.widgets import close, readable, show, told

if TYPE_CHECKING:
    from llm_magics.doctor.checkup import Checkup
    from llm_magics.runtime import Running
    from llm_magics.session import Session

MOST = 300  # models that are listed at once; the others are found by searching
TICK = 0.2  # seconds between repaints of a check
LABEL = "110px"
Changed = Callable[[str, Callable[[], Any]], None]


class Selector:
    """The controls of one session.

    Args:
        changed: called when something else than the controls has to be painted again.

    Attributes:
        widget: what is shown.
    """

    def __init__(self, session: Session, changed: Callable[[], None]) -> None:
        self._session, self._here, self._tell = session, session.configuration, changed
        self._listed: dict[str, list[str]] = {}
        self._filling = False
        self._checking: Running | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._current = ""
        self._make()
        self._here.watch(self.refresh)
        self.refresh()

    def close(self) -> None:
        """Take everything off the page, and let go of it."""
        self._here.unwatch(self.refresh)
        if self._checking is not None:
            self._checking.stop()
        close(self.widget)

    # ------------------------------------------------------------ what is on the page

    def _make(self) -> None:
        self._status, self._said = ipywidgets.HTML(), ipywidgets.HTML()
        hint = "part of a name; Enter takes the first"
        self._search = ipywidgets.Text(description="search", placeholder=hint, **_wide("60px"))
        self._models = ipywidgets.Select(description="model", rows=15, **_wide("60px"))
        self._find = _button("Find models", "Ask the endpoints for their models, and look for servers on this machine")
        self._check = _button("Check", "Find out what does not work with this model; asks it a few times")
        self._lines, self._checked = ipywidgets.HTML(), ipywidgets.HTML()
        self._fields = [
            Slid("temperature", self._set, most=2.0, step=0.05, start=1.0),
            Slid("top_p", self._set, most=1.0, step=0.01, start=1.0),
            Typed("max_tokens", self._set),
            Typed("timeout", self._set, unset="not set (120 s)"),
            Typed("timeout_silence", self._set, unset="not set (as timeout)"),
            Typed("timeout_total", self._set, unset="not set (no limit)"),
            Typed("max_retries", self._set, unset="not set (2)"),
            Picked("stream", self._set, {"yes": True, "no": False}),
            Pictures(self._set),
        ]
        system = Typed("system", self._set, lines=3)
        side = {"flex": "1 1 300px", "width": "auto", "min_width": "0"}
        buttons = ipywidgets.HBox([self._find, self._check])
        left = ipywidgets.VBox([self._search, self._models, buttons], layout=side)
        right = ipywidgets.VBox([field.widget for field in self._fields], layout=side)
        both = ipywidgets.HBox([left, right], layout=ipywidgets.Layout(flex_flow="row wrap"))
        self._fields.append(system)
        self.widget = ipywidgets.VBox(
            [self._status, both, system.widget, self._said, self._lines, self._checked],
            layout=ipywidgets.Layout(max_width="1000px"),
        )
        self._search.observe(lambda change: self._list_again(), "value")
        self._search.on_msg(self._entered)
        self._models.observe(self._choose, "value")
        self._find.on_click(lambda button: self._begin(self._look_for_models()))
        self._check.on_click(lambda button: self._check_or_stop())

    def refresh(self) -> None:
        """Show everything as it is set now."""
        try:
            with self._here.steady():
                self._show_all()
            self._tell()
        except UserMistake as mistake:  # a file that broke meanwhile, a model that is gone
            self._say(str(mistake))

    def _show_all(self) -> None:
        name, chosen_by = self._here.model()
        self._current = name
        found, typed = self._here.resolve(name), self._here.typed
        show(self._status, self._head(name, chosen_by))
        for field in self._fields:
            field.fill(found.get(field.key), here=field.key in typed.settings)
        lines = "\n".join(magic_lines(typed, self._here.served.files))
        hint = "The same in a cell:" if lines else "Nothing is set here yet. What would set it will stand here."
        show(self._lines, f"<div>{hint}</div>" + (f"<pre>{leaf(lines)}</pre>" if lines else ""))
        self._fill_models()

    def _head(self, name: str, chosen_by: str) -> str:
        """The model, and what is to be known of it."""
        key = self._here.key_state(name)
        parts = [f"<b>{words(readable(name))}</b> @ {words(where(self._here, name))}", f"key: {words(key)}"]
        if key.startswith("missing"):
            parts.append(f"type it with <code>%llm_config --ask-key {words(readable(name.split('/')[0]))}</code>")
        return f"<div>{' · '.join(parts)} · <em>{words(readable(chosen_by))}</em></div>"

    def _say(self, text: str) -> None:
        show(self._said, told(text))

    # ------------------------------------------------------------ the model

    def _list_again(self) -> None:
        """Nothing is set; what is listed is looked for, or what was clicked cannot be chosen."""
        try:
            with self._here.steady():
                self._fill_models()
        except UserMistake as mistake:
            self._say(str(mistake))

    def _fill_models(self) -> None:
        """The models that are searched for, below the names of their endpoints, which nobody can choose."""
        wanted = self._search.value.strip()
        found = choices(self._here, self._listed, self._current)
        matching = [choice for choice in found if choice.matches(wanted)]
        if not matching and self._is_model(wanted):
            matching = [Choice(wanted, wanted, where(self._here, wanted))]
        options = list(_options(matching[:MOST]))
        if len(matching) > MOST:
            options.append((f"… {len(matching) - MOST} more: search", ""))
        if not matching:
            options.append(("no model matches; another of an endpoint is NAME/MODEL", ""))
        self._filling = True
        try:
            if tuple(options) != tuple(self._models.options):
                self._models.options = options
            self._models.index = next((at for at, (_, name) in enumerate(options) if name == self._current), None)
        finally:
            self._filling = False

    def _is_model(self, name: str) -> bool:
        try:
            return bool(name) and bool(self._here.config.resolve(name))
        except UserMistake:
            return False

    def _choose(self, change: Any) -> None:
        if self._filling:
            return
        names = [name for _, name in self._models.options]
        now = self._models.index
        if now is not None and not names[now]:  # an endpoint's name: the keyboard's way leads over it
            before = names.index(self._current) if self._current in names else now
            now += now - before if abs(now - before) == 1 else 0
        self._take(names[now] if now is not None and 0 <= now < len(names) else "")

    def _entered(self, search: Any, content: Any, buffers: Any) -> None:
        """Enter takes the first model found: front ends keep the arrows of a list for moving between cells."""
        if content.get("event") == "submit" and self._search.value.strip():
            self._take(next((name for _, name in self._models.options if name), ""))

    def _take(self, name: str) -> None:
        if name:
            self._put(lambda: self._here.set({"model": name}), name)
        else:
            self._list_again()

    async def _look_for_models(self) -> None:
        self._find.disabled = True
        try:
            self._say("Asking the endpoints for their models …")
            self._listed = await asyncio.to_thread(listed_by_endpoints, self._here)
            count = sum(map(len, self._listed.values()))
            self._say(f"The endpoints list {count} {'model' if count == 1 else 'models'}.")
        except UserMistake as mistake:
            self._say(str(mistake))
        finally:
            self._find.disabled = False
        self.refresh()

    # ------------------------------------------------------------ settings

    def _set(self, key: str, read: Callable[[], Any]) -> None:
        def change() -> None:
            value = read()
            if value is ABSENT:
                self._here.unset(key)
                return
            text = str(value)
            if shape_in(text) or redactor_of(self._here.known_keys()).text(text) != text:
                move = f"type it with %llm_config --ask-key {self._current.split('/')[0]}"
                raise ConfigError(f"{key}: a key does not belong here, as it would be saved in the notebook; {move}.")
            self._here.set({key: value})
            held = self._here.resolve(self._current)[key]
            if held.value != value:
                own = f"{self._current} has its own, {short(held.value)}, from {held.origin}"
                raise ConfigError(f"{key}: {own}, which holds whatever is set for all.")

        self._put(change, self._current)

    def _put(self, change: Callable[[], None], model: str) -> None:
        """Set something, or say why it cannot be; the controls show what holds in either case."""
        self._say("")
        try:
            with self._here.all_or_nothing():
                self._here.resolve(model)
                change()
        except UserMistake as mistake:
            self._say(str(mistake))

    # ------------------------------------------------------------ the check

    def _check_or_stop(self) -> None:
        if self._checking is not None:
            self._checking.stop()
            return
        try:
            checkup, running = self._session.examining.begin()
        except UserMistake as mistake:
            self._say(str(mistake))
            return
        self._checking = running
        self._begin(self._follow(checkup, running))

    async def _follow(self, checkup: Checkup, running: Running) -> None:
        """Paint a check that goes on elsewhere; cells run meanwhile."""
        name = self._current
        self._check.description = "Stop"
        try:
            while not running.done:
                running.take()
                self._draw(name, checkup, ["Checking …"])
                await asyncio.sleep(TICK)
        finally:
            self._session.examining.learn_from(checkup)
            self._checking, self._check.description = None, "Check"
        if running.error is not None:
            self._draw(name, checkup, [str(running.error)])
        elif any(row.mark == "…" for row in checkup.rows):
            self._draw(name, checkup, ["Stopped; what was found so far is above."])
        else:
            self._draw(name, checkup, checks.summary(checkup))

    def _draw(self, name: str, checkup: Checkup, lines: Iterable[str]) -> None:
        rows = [[masked(cell) for cell in row] for row in checks.rows(checkup, time.monotonic() - checkup.probing)]
        head = told(f"Check of {name} @ {checkup.host}")
        show(self._checked, head + table(checks.HEAD, rows) + "".join(map(told, lines)))

    def _begin(self, work: Any) -> None:
        """Let something go on beside the cells, on the loop that brought the click."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _options(found: Iterable[Choice]) -> Iterable[tuple[str, str]]:
    """What a list shows, and the model behind it; none behind an endpoint's name."""
    place = None
    for choice in found:
        if choice.where != place:
            place = choice.where
            yield f"── {readable(place)}", ""
        asks = f" ({readable(choice.asks_for)})" if choice.asks_for not in choice.name else ""
        note = f" — {choice.note}" if choice.note else ""
        yield f"\u2003{readable(choice.name)}{asks}{note}", choice.name


def _wide(label: str = LABEL) -> dict[str, Any]:
    """The look of a control below others: names above each other, all of the width."""
    return {"layout": ipywidgets.Layout(width="auto", min_width="0"), "style": {"description_width": label}}


def _button(name: str, tooltip: str) -> Any:
    return ipywidgets.Button(description=name, tooltip=tooltip, layout=ipywidgets.Layout(width="auto"))


# ---------------------------------------------------------------- controls


class Field:
    """A setting's control.

    Attributes:
        key: the setting.
        widget: what is on the page.
    """

    def __init__(self, key: str, widget: Any, control: Any, changed: Changed) -> None:
        self.key, self.widget, self._control, self._changed = key, widget, control, changed
        self._filling = False
        control.observe(self._heard, "value")

    def fill(self, found: Sourced | None, *, here: bool) -> None:
        """Show what holds; ``here`` says that it was set with ``%llm_config``, and can be taken back."""
        self._filling = True
        try:
            self._fill(found, here)
        finally:
            self._filling = False

    def _fill(self, found: Sourced | None, here: bool) -> None:
        """Show it in the control."""
        raise NotImplementedError

    def _read(self) -> Any:
        """What the control says; `ABSENT` for nothing.

        Raises:
            ConfigError: nothing that the setting can have.
        """
        raise NotImplementedError

    def _heard(self, change: Any) -> None:
        if not self._filling:
            self._changed(self.key, self._read)


def origin(found: Sourced | None, unset: str = "not set") -> str:
    """A value that was not set here, and where it comes from; ``unset`` where there is none."""
    return f"{readable(short(found.value))} ({readable(found.origin)})" if found is not None else unset


class Typed(Field):
    """What is typed: sent when the field is left, or on Enter. An empty field is not set."""

    def __init__(self, key: str, changed: Changed, *, unset: str = "not set", lines: int = 1) -> None:
        look = {"description": key, "continuous_update": False, **_wide()}
        control = ipywidgets.Text(**look) if lines == 1 else ipywidgets.Textarea(rows=lines, **look)
        self._unset = unset
        super().__init__(key, control, control, changed)

    def _fill(self, found: Sourced | None, here: bool) -> None:
        held = found.value if found is not None and here else ""
        self._control.value = masked(held if isinstance(held, str) else str(held))
        self._control.placeholder = origin(found, self._unset)

    def _read(self) -> Any:
        text = self._control.value
        return parse_value(self.key, text) if text.strip() else ABSENT


class Slid(Field):
    """A number between two limits: a slider, and a box that says whether it is set; moving the slider sets it."""

    def __init__(self, key: str, changed: Changed, *, most: float, step: float, start: float) -> None:
        self._slider = ipywidgets.FloatSlider(
            start,
            min=0.0,
            max=most,
            step=step,
            continuous_update=False,
            readout_format=".2f",
            tooltip=key,
            layout=ipywidgets.Layout(flex="1 1 120px", width="auto", min_width="0"),
        )
        named = ipywidgets.Layout(width=LABEL, flex="0 0 auto")
        self._box = ipywidgets.Checkbox(description=key, indent=False, layout=named)
        self._note = ipywidgets.HTML(layout=ipywidgets.Layout(flex="0 1 auto"))
        row = ipywidgets.HBox([self._box, self._slider, self._note])
        super().__init__(key, row, self._box, changed)
        self._slider.observe(self._slid, "value")

    def _fill(self, found: Sourced | None, here: bool) -> None:
        self._box.value = here and found is not None
        if found is not None and isinstance(found.value, int | float):
            self._slider.value = found.value
        show(self._note, "" if self._box.value else f"<em>{words(origin(found))}</em>")

    def _read(self) -> Any:
        return self._number() if self._box.value else ABSENT

    def _number(self) -> float:
        return round(float(self._slider.value), 4)  # a step may end a little beside its number

    def _slid(self, change: Any) -> None:
        if not self._filling:
            self._changed(self.key, self._number)


class Picked(Field):
    """One of a few values."""

    def __init__(self, key: str, changed: Changed, values: dict[str, Any]) -> None:
        self._values = values
        control = ipywidgets.Dropdown(options=[("not set", ABSENT), *values.items()], description=key, **_wide())
        super().__init__(key, control, control, changed)

    def _fill(self, found: Sourced | None, here: bool) -> None:
        first = "not set" if found is None or here else f"not set here: {origin(found)}"
        known = list(self._values.values())
        extra = []
        if here and found is not None and found.value not in known:
            extra = [(readable(short(found.value)), found.value)]
        options = [(first, ABSENT), *self._values.items(), *extra]
        if tuple(options) != tuple(self._control.options):
            self._control.options = options
        self._control.value = found.value if here and found is not None else ABSENT

    def _read(self) -> Any:
        return self._control.value


class Pictures(Field):
    """From where pictures are loaded: nowhere, after a question, or from the hosts that are typed."""

    def __init__(self, changed: Changed) -> None:
        self._how = ipywidgets.Dropdown(options=["not set", "block", "ask", "hosts"], description="images", **_wide())
        hint = "upload.wikimedia.org, *.example.org"
        self._hosts = ipywidgets.Text(description="hosts", placeholder=hint, continuous_update=False, **_wide())
        super().__init__("images", ipywidgets.VBox([self._how, self._hosts]), self._how, changed)
        self._hosts.observe(self._heard, "value")

    def _fill(self, found: Sourced | None, here: bool) -> None:
        first = "not set (block)" if found is None or here else f"not set here: {origin(found)}"
        if self._how.options[0] != first:
            self._how.options = [first, "block", "ask", "hosts"]
        held = found.value if found is not None and here else first
        self._how.value = held if isinstance(held, str) else "hosts"
        self._hosts.value = "" if isinstance(held, str) else ", ".join(map(readable, held))
        self._show_hosts()

    def _read(self) -> Any:
        if self._how.index == 0:
            return ABSENT
        return self._how.value if self._how.value != "hosts" else re.findall(r"[^\s,]+", self._hosts.value)

    def _heard(self, change: Any) -> None:
        self._show_hosts()
        if self._how.value != "hosts" or self._hosts.value.strip():  # else they are yet to be typed
            super()._heard(change)

    def _show_hosts(self) -> None:
        self._hosts.layout.display = None if self._how.value == "hosts" else "none"
