"""Panel, menu, split view and marks on terminals of many sizes.

The program has nothing behind its screen: tests/unit/ui_views.c with the word "drive".
"""
import os
import re
import time
import unittest

from chat_support import Home
from terminal import PATIENCE, Terminal

HOSTILE = "\\e]52;c;ZXZpbA==\\x07\\e[2J\\e[?1000h\\x9b31m\u202etxt\\e]0;title\\e\\\\"
SIZES = ((24, 80), (40, 120), (12, 40), (6, 20))
KEYS = " [a] keep A  [b] keep B  [q] close"


class Stage(Terminal):
    def __init__(self, binary, rows=24, columns=80, keys=None, **kwargs):
        self.home = Home()
        program = os.path.join(os.path.dirname(os.path.abspath(binary)), "tests/unit/ui_views")
        if not os.path.exists(program):
            raise unittest.SkipTest("%s is not built" % program)
        self.commands = os.path.join(self.home.path, "commands")
        self.events_path = os.path.join(self.home.path, "events")
        os.mkfifo(self.commands)
        self.pipe = os.open(self.commands, os.O_RDWR)
        self.said = 0
        script = [self.home.file("keys", keys)] if keys else []
        super().__init__([program, "drive", self.commands, self.events_path, *script],
                         rows=rows, columns=columns, **kwargs)
        self.wait(lambda terminal: terminal.paste_mode)

    def events(self):
        if not os.path.exists(self.events_path):
            return []
        with open(self.events_path, encoding="utf-8") as file:
            return file.read().splitlines()

    def wait_event(self, pattern):
        """The next event from where the last one was found."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            lines = self.events()
            for index in range(self.said, len(lines)):
                if re.fullmatch(pattern, lines[index]):
                    self.said = index + 1
                    return lines[index]
            time.sleep(0.01)
        raise AssertionError("no event %r in %r\n%s" % (pattern, self.events(), self.picture()))

    def do(self, *lines):
        for line in lines:
            os.write(self.pipe, (line + "\n").encode())
            self.wait_event("did " + line.split(" ")[0])

    def leave(self):
        self.do("quit")
        assert self.finish() == 0, self.picture()

    def close(self):
        super().close()
        os.close(self.pipe)
        self.home.__exit__()


def equals_a_fresh_drawing(stage):
    stage.settle(0.08)
    before = stage.rows
    stage.send("C-l")
    stage.settle(0.08)
    assert stage.rows == before, stage.picture()


def open_split(stage, table="output  identical: 312/312\\nrate 1.42x\\nwall 0.72x\\nd\\ne\\nf"):
    stage.do("split A/B  prompt 12",
             "heading 0|A  greedy 9.98 t/s", "heading 1|B  ngram 14 t/s",
             "pane 0|0|40|left words ", "pane 1|1|40|right words ", "table " + table,
             "keys " + KEYS.strip())
    stage.settle()


def test_panel_beside_the_transcript(binary):
    with Stage(binary, 40, 120) as stage:
        stage.do("block 1|0|the answer so far", "columns")
        assert "columns 58" in stage.events()
        text = "\\n".join("line %d" % i for i in range(60))
        stage.do("panel STATS|%s|[q] close" % text)
        stage.wait("[q] close")
        title = next(i for i, row in enumerate(stage.rows) if "STATS" in row)
        assert stage.row(title)[60] == "\u2502" and stage.row(title)[62:67] == "STATS"
        assert "the answer so far" in stage.text and "[q] close" in stage.text
        stage.do("block -1|0| goes on")
        stage.wait("the answer so far goes on")
        stage.send("PageDown", "Down")
        stage.wait_gone("line 0 ")
        first = re.search(r"line \d+", stage.text).group()
        stage.do("panel STATS|%s|[q] close" % text.replace("line", "fresh"))
        stage.wait(first.replace("line", "fresh"))      # it stays where it was scrolled
        assert re.search(r"fresh \d+", stage.text).group() == first.replace("line", "fresh")
        equals_a_fresh_drawing(stage)
        stage.send("End")
        stage.wait("fresh 59")
        stage.send("Home")
        stage.wait("fresh 0")
        stage.send("s", "\u00e9", "Enter")
        stage.wait_event("view_key %d " % ord("s"))
        stage.wait_event("view_key %d " % 0xE9)
        stage.wait_event("view_key 10 ")
        stage.send("q")
        stage.wait_event("view_closed 0 ")
        stage.wait_gone("STATS")
        equals_a_fresh_drawing(stage)
        stage.leave()


def test_panel_in_place_does_not_flicker(binary):
    """What does not change is not written again."""
    with Stage(binary, 24, 80) as stage:
        rows = ["constant words of row %d" % i for i in range(12)]
        stage.do("panel STATS|%s|q" % "\\n".join(rows + ["value 0"]))
        stage.wait("value 0")
        stage.settle()
        start = len(stage.raw)
        for number in range(1, 20):
            stage.do("panel STATS|%s|q" % "\\n".join(rows + ["value %d" % number]))
        stage.wait("value 19")
        written = bytes(stage.raw[start:])
        assert b"constant" not in written and b"\x1b[2J" not in written, written
        stage.leave()


def test_nothing_typed_is_lost(binary):
    for opening in ("panel T|text|q", "split T", "menu T|0|one|1|two|2"):
        with Stage(binary) as stage:
            stage.send("half a line")
            stage.wait("> half a line")
            stage.do(opening)
            stage.send("x", "y", "Backspace", "C-u", "Up")
            stage.paste("pasted")
            stage.wait("Close this first")
            stage.send("Escape")
            stage.wait_event("(view|menu)_closed 0 ")
            stage.send(" and more", "Enter")
            stage.wait_event("submit 0 half a line and more")
            stage.leave()


def test_escape_interrupts_while_busy(binary):
    with Stage(binary) as stage:
        stage.do("busy 1", "panel T|text|q", "menu T|0|one|1|two|2")
        stage.send("Escape")        # of the menu it closes the menu, and that is all
        stage.wait_event("menu_closed 0 ")
        stage.send("Escape")
        stage.wait_event("interrupt 0 ")
        stage.send("C-c")
        stage.wait_event("interrupt 0 ")
        assert "text" in stage.text
        stage.do("busy 0")
        stage.send("Escape")
        stage.wait_event("view_closed 0 ")
        stage.leave()


def test_function_keys(binary):
    with Stage(binary) as stage:
        for number, keys in ((2, "\x1bOQ"), (4, "\x1bOS"), (6, "\x1b[17~"), (2, "\x1b[[B"),
                             (4, "\x1b[14~"), (12, "\x1b[24~")):
            stage.send(keys)
            stage.wait_event("function %d " % number)
        stage.do("busy 1")
        stage.send("\x1bOQ")
        stage.wait_event("function 2 ")
        stage.do("split T", "busy 0")
        stage.send("\x1bOQ")
        stage.wait_event("function 2 ")
        stage.send("q", "typed", "\x1b[17;5~", "Enter")
        stage.wait_event("submit 0 typed")
        stage.leave()


def test_scripted_function_keys(binary):
    keys = "\\f2\n\\f4\\f6\\w\nq\\f12\\d50\n"
    with Stage(binary, keys=keys) as stage:
        assert stage.finish() == 0
        assert [e for e in stage.events() if not e.startswith("did")] == [
            "function 2 ", "function 4 ", "function 6 ", "function 12 ", "submit 0 q",
            "keys_end 0 "], stage.events()


def test_menu(binary):
    for rows, columns in SIZES:
        with Stage(binary, rows, columns) as stage:
            names = "|".join("%s|about %s" % (name, name) for name in
                             ("auto", "bold", "careful", "greedy", "mtp", "ngram"))
            stage.do("menu choose a policy|3|" + names)
            stage.wait("4 ")
            stage.wait(">")
            marked = [row for row in stage.rows if row.startswith(">")]
            assert any("greedy" in row for row in marked), stage.picture()
            stage.send("Down")
            stage.wait(re.compile("^> 5  mtp", re.M))
            stage.send("Up", "Up")
            stage.wait(re.compile("^> 3  careful", re.M))
            equals_a_fresh_drawing(stage)
            assert stage.row(stage.cursor[0]).startswith("> 3  careful"), stage.picture()
            stage.send("Enter")
            stage.wait_event("menu_chosen 2 ")
            stage.do("menu choose a policy|0|" + names)
            stage.wait(re.compile("^> 1  auto", re.M))
            stage.send("n")
            stage.wait_event("menu_chosen 5 ")
            stage.do("menu choose a policy|0|" + names)
            stage.send("2")
            stage.wait_event("menu_chosen 1 ")
            stage.leave()


def test_split_side_by_side(binary):
    for rows, columns in ((24, 80), (40, 120)):
        with Stage(binary, rows, columns) as stage:
            open_split(stage)
            stage.wait("wall 0.72x")
            half = (columns - 1) // 2
            heading = next(row for row in stage.rows if "A  greedy" in row)
            assert heading[half] == "\u2502" and heading[half + 2:].startswith("B  ngram")
            body = stage.row(stage.rows.index(heading) + 1)
            assert "left words" in body[:half] and "right words" in body[half:], stage.picture()
            assert "right" not in body[:half] and KEYS.strip() in stage.text
            assert stage.row(0) == " A/B  prompt 12"
            stage.do("pane 0|0|200|left words ", "pane 0|0|1|FINIS")
            stage.wait("FINIS")           # a pane follows its end
            stage.send("PageUp")
            stage.wait("below (End)")
            stage.wait_gone("FINIS")
            stage.send("End")
            stage.wait("FINIS")
            stage.send("Tab", "Tab")        # the right one alone
            stage.wait(re.compile("\u2502>B  ngram"))
            stage.send("Home")
            stage.settle()
            assert "FINIS" in stage.text
            equals_a_fresh_drawing(stage)
            stage.send("q")
            stage.wait_event("view_closed 0 ")
            stage.wait_gone("left words")
            stage.leave()


def test_split_one_above_the_other(binary):
    with Stage(binary, 12, 40) as stage:
        open_split(stage)
        stage.wait("A  greedy")
        rows = stage.rows
        a, b = (next(i for i, row in enumerate(rows) if text in row)
                for text in ("A  greedy", "B  ngram"))
        assert b - a >= 3 and "right words" in rows[b + 2], stage.picture()
        assert "identical: 312" in stage.text and "[a] keep A" in stage.text
        stage.send("S-Tab")             # the table, which does not fit
        stage.send("End")
        stage.wait(re.compile("^ f$", re.M))
        stage.leave()


def test_resize_while_open(binary):
    with Stage(binary) as stage:
        stage.do("block 1|0|transcript")
        open_split(stage)
        for rows, columns in SIZES + ((1, 1), (3, 10), (2, 200), (60, 30), (24, 80)):
            stage.resize(rows, columns)
            equals_a_fresh_drawing(stage)
        stage.do("panel STATS|a\\nb\\nc|q", "menu M|0|one|1|two|2")
        for rows, columns in SIZES + ((1, 1), (3, 10), (2, 200), (24, 120)):
            stage.resize(rows, columns)
            equals_a_fresh_drawing(stage)
        stage.send("Escape")
        stage.wait_event("menu_closed 0 ")
        stage.send("q", "q")
        stage.wait_event("view_closed 0 ")
        stage.wait_event("view_closed 0 ")
        stage.wait("transcript")
        stage.leave()


def check_harmless(raw):
    for sequence in (b"\x1b]52", b"\x1b[?1000", b"\x9b3", b"\x1b]0;", b"\x07"):
        assert sequence not in raw, sequence
    text = bytes(raw).decode("utf-8")
    assert "\u202e" not in text and not re.search("[\x80-\x9f]", text)


def test_hostile_text_everywhere(binary):
    bad = HOSTILE
    for rows, columns in SIZES:
        with Stage(binary, rows, columns) as stage:
            stage.do("status %s|%s|%s|14.2" % (bad, bad, bad),
                     "block 1|1|" + bad, "marks 1",
                     "panel %s|%s\\n%s|%s" % (bad, bad, bad, bad))
            stage.settle()
            stage.send("q")
            stage.do("split " + bad, "title " + bad, "heading 0|" + bad, "heading 1|" + bad,
                     "pane 0|1|3|" + bad, "pane 1|2|3|" + bad, "finish 0", "table " + bad,
                     "keys " + bad)
            stage.settle()
            stage.do("menu %s|0|%s|%s|%s|" % (bad, bad, bad, bad))
            stage.settle()
            stage.leave()
            check_harmless(stage.raw)


def underlined(stage, row):
    """The characters of a row that are underlined, and their colours."""
    cells = [stage.cell(row, column) for column in range(stage.screen.columns)]
    return ("".join(cell.data for cell in cells if cell.underscore),
            [cell.fg for cell in cells if cell.underscore])


def test_marks(binary):
    with Stage(binary) as stage:
        stage.do("block 1|0|plain ", "block -1|1|ngram", "block -1|0| ",
                 "block -1|2|dr\u00e4ft", "block -1|0| ", "block -1|3|mtp\u4e16", "block -1|0| end")
        stage.wait("plain ngram dr\u00e4ft mtp\u4e16 end")
        row = next(i for i, text in enumerate(stage.rows) if "plain ngram" in text)
        assert underlined(stage, row)[0] == ""
        stage.do("marks 1")
        stage.settle()
        text, colors = underlined(stage, row)
        assert text == "ngramdr\u00e4ftmtp\u4e16", text
        assert len({colors[0], colors[5], colors[10]}) == 3 and "default" not in colors
        stage.resize(24, 18)
        stage.wait("mtp")
        stage.settle()
        assert "".join(underlined(stage, y)[0] for y in range(24)) == text, stage.picture()
        stage.do("fold 1")
        stage.wait("folded")
        stage.do("fold 0")
        stage.resize(24, 80)
        stage.wait("plain ngram")
        stage.settle()
        assert "".join(underlined(stage, y)[0] for y in range(24)) == text
        stage.do("marks 0")
        stage.settle()
        assert underlined(stage, row)[0] == ""
        stage.leave()


def test_marks_without_color(binary):
    with Stage(binary, environment={"NO_COLOR": "1"}) as stage:
        stage.do("marks 1", "block 1|1|ngram", "block -1|0| plain")
        stage.wait("ngram plain")
        row = next(i for i, text in enumerate(stage.rows) if "ngram plain" in text)
        assert underlined(stage, row) == ("ngram", ["default"] * 5)
        stage.leave()


def test_a_very_large_terminal(binary):
    with Stage(binary, 256, 1000) as stage:
        stage.do("block 1|1|" + "words of an answer " * 500, "marks 1",
                 "panel STATS|%s|q" % "\\n".join("line %d" % i for i in range(300)))
        stage.wait("STATS")
        stage.send("q")
        open_split(stage)
        for _ in range(8):
            stage.do("pane 0|1|3000|left words of a long answer ",
                     "pane 1|2|3000|right words\\n")
        stage.do("frames 20")
        lines = [line for line in stage.events() if line.startswith("frame")]
        took = float(lines[0].split()[1])
        slow = "address" in binary or "undefined" in binary
        assert took < (200 if slow else 33), took
        stage.do("menu M|1|one|1|two|2")
        stage.leave()


def test_status_of_a_policy(binary):
    with Stage(binary) as stage:
        for number in range(2):     # the rate is taken once a second
            stage.do("status auto>ngram|GATED|acceptance 0.12 does not pay|1%d.2" % number)
            time.sleep(0 if number else 1.05)
        stage.wait(re.compile(r"^ auto>ngram GATED  11\.2 t/s +[\u2581-\u2588]{2}  "
                              r"acc 71% len 3\.2 x1\.29 est\. +ctx 3\.1k/32k$", re.M))
        assert " answering  acceptance 0.12 does not pay  312 tok" in stage.text
        stage.resize(12, 40)
        stage.wait(re.compile(r"^ ngram 11\.2t/s 71% x1\.29 +ctx9% Esc$", re.M))
        stage.do("split A/B")
        stage.wait(re.compile(r"^ ngram 11\.2t/s", re.M))
        stage.leave()


def test_panes_keep_to_themselves(binary):
    """Wide characters, tabs and long words of one pane never reach into the other."""
    with Stage(binary) as stage:
        stage.do("split T", "heading 0|" + "\u4e16\u754c" * 60, "heading 1|B")
        stage.do("pane 0|1|9|\u4e16\u754ca\u0301\\t\U0001f468\u200d\U0001f469\u200d\U0001f467",
                 "pane 0|0|3|" + "long" * 40, "pane 1|2|2|right", "marks 1")
        stage.settle()
        for row in range(2, 20):
            assert stage.cell(row, 39).data == "\u2502", stage.picture()
            assert not re.search(r"[^\u2502 Bright]", stage.row(row)[39:].split("\u2502")[-1])
            assert not stage.cell(row, 39).underscore and not stage.cell(row, 38).underscore
        cells = [stage.cell(3, column) for column in range(41, 51)]
        assert all(cell.underscore for cell in cells)
        equals_a_fresh_drawing(stage)
        stage.leave()


def test_other_terminals(binary):
    for environment in ({"LANG": "C", "LC_ALL": "C"}, {"TERM": "vt100"}, {"TERM": "linux"},
                        {"TERM": "screen"}):
        with Stage(binary, 24, 100, environment=environment) as stage:
            stage.do("block 1|1|an answer", "marks 1", "panel STATS|one \u2581\u2582|[q] close",
                     "menu M|0|one|\u4e16|two|2")
            stage.settle()
            stage.send("Escape")
            stage.wait_event("menu_closed 0 ")
            stage.send("q")
            stage.wait_event("view_closed 0 ")
            open_split(stage)
            if "LANG" in environment:
                assert stage.row(2)[49] == "|" and set(stage.row(1)) == {"-"}, stage.picture()
                assert max(stage.raw) < 0x80
            stage.leave()


def test_inputrc_has_the_last_word(binary):
    with Home() as home:
        inputrc = home.file("inputrc", '"\\eOQ": "typed by F2"\n')
        with Stage(binary, environment={"INPUTRC": inputrc}) as stage:
            stage.send("\x1bOQ")
            stage.wait("> typed by F2")
            stage.do("panel T|text|q")      # there the keys are the panel's
            stage.send("\x1bOQ")
            stage.wait_event("function 2 ")
            stage.leave()


def test_a_panel_covers_the_split_view(binary):
    with Stage(binary, 24, 120) as stage:
        open_split(stage)
        stage.do("panel STATS|numbers|[q] close")
        stage.wait("numbers")
        stage.wait_gone("left words")
        stage.do("pane 0|0|1|more meanwhile")
        stage.send("q")
        stage.wait_event("view_closed 0 ")
        stage.wait("more meanwhile")
        equals_a_fresh_drawing(stage)
        stage.leave()
