"""Statistics, menu and two answers side by side in tmux: keys and screen as of a real terminal."""
import re

from chat_support import Home
from chat_tmux import Tmux

SPECULATION = ("name tiny\nanswer\nrate 800\nsource ngram 70\nstate drafting it pays\n"
               "repeat 30\ntext words \u4e16\u754c of an answer\\s\n")
SIZES = ((24, 80), (40, 120), (12, 40))


def answered(tmux, binary, *options):
    tmux.start(binary, SPECULATION, "--policy", "auto", *options)
    tmux.type("go")
    tmux.wait(re.compile(r"ready .*\d ?t/s"))


def rows(tmux):
    return [row.rstrip() for row in tmux.text.split("\n")]


def test_two_answers(binary):
    for height, width in SIZES:
        with Home() as home, Tmux(home, height, width) as tmux:
            before = tmux.state()
            answered(tmux, binary)
            tmux.send("F6")
            tmux.wait(re.compile(r"identical: (\d+)/\1 tokens"))
            tmux.wait("a keep A")
            shown = rows(tmux)
            a, b = (next(i for i, row in enumerate(shown) if name in row)
                    for name in ("A greedy", "B auto"))
            if width >= 80:
                assert a == b and "\u2502" in shown[a], tmux.text
                half = shown[a].index("\u2502")
                wide = [row for row in shown if "\u4e16" in row]
                assert wide and all(row.count("\u2502") == 1 for row in wide), tmux.text
                assert half == (width - 1) // 2
            else:
                assert b - a >= 3, tmux.text
            tmux.wait(re.compile("words (.|\n)*words"))
            tmux.send("PageUp")
            if height < 40:     # elsewhere all is seen
                tmux.wait("below (End)")
            tmux.send("End")
            tmux.wait("below (End)", gone=True)
            tmux.send("b")
            tmux.wait("B (auto) is kept.")
            tmux.send("C-d")
            tmux.wait(re.compile(r"^\$", re.M))
            assert tmux.state() == before


def test_sizes_change_while_it_runs(binary):
    script_sizes = ((40, 12), (120, 40), (20, 6), (1, 1), (200, 3), (80, 24))
    with Home() as home, Tmux(home, 24, 80) as tmux:
        answered(tmux, binary)
        tmux.send("F6")
        for width, height in script_sizes:
            tmux.command("resize-window", "-x", str(width), "-y", str(height))
        tmux.wait(re.compile(r"identical: (\d+)/\1 tokens"))
        tmux.wait("a keep A")
        shown = rows(tmux)
        tmux.send("C-l")
        tmux.wait("a keep A")
        assert rows(tmux) == shown


def test_statistics_and_menu(binary):
    for height, width in SIZES:
        with Home() as home, Tmux(home, height, width) as tmux:
            answered(tmux, binary)
            tmux.send("F2")
            tmux.wait("q close")
            tmux.wait(re.compile(r"statistics"))
            if width >= 100:        # the answer is beside it
                assert re.search("answer.*\u2502", tmux.text), tmux.text
            tmux.send("q")
            tmux.wait("q close", gone=True)
            tmux.send("F4")
            tmux.wait(re.compile(r"^> \d  auto", re.M))
            tmux.send("Home", "Enter")
            tmux.wait(re.compile(r"policy: greedy"))


def test_marks(binary):
    with Home() as home, Tmux(home, 24, 80) as tmux:
        answered(tmux, binary, "--marks")
        tmux.wait("words")
        styled = tmux.command("capture-pane", "-p", "-e")
        assert re.search(r"\x1b\[(?:\d+;)*4(?:;\d+)*m", styled), repr(styled)
        tmux.type("/set marks off")
        tmux.wait("marks")
        answer = [row for row in tmux.command("capture-pane", "-p", "-e").split("\n")
                  if "words" in row]
        assert answer and not any(re.search(r"\x1b\[(?:\d+;)*4[;m]", row) for row in answer)
