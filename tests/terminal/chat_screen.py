"""The screen while a conversation goes on: wrapping, scrolling, sizes."""
import random
import re
import unicodedata

from chat_support import Chat, GREETING, SLOW, unwrapped

SIZES = ((24, 80), (12, 40))


def test_sizes(binary):
    for rows, columns in SIZES:
        with Chat(binary, GREETING, rows=rows, columns=columns) as chat:
            chat.say("good morning")
            chat.wait("Hello, I am a script.")
            chat.say("/help regen")
            chat.wait(lambda terminal: "temperature=0.2" in unwrapped(terminal))
            chat.send("C-d")
            assert chat.finish() == 0


def test_tiny_sizes_do_not_crash(binary):
    for rows, columns in ((1, 1), (2, 5), (3, 20), (5, 10), (7, 39)):
        with Chat(binary, GREETING, rows=rows, columns=columns,
                  ready=lambda terminal: terminal.paste_mode) as chat:
            chat.settle(0.1)
            chat.say("hi")
            chat.settle(0.1)
            chat.resize(24, 80)
            chat.wait("Hello, I am a script.")
            chat.send("C-d")
            assert chat.finish() == 0


def test_wide_characters_wrap_whole(binary):
    wide = "\u6f22\u5b57\u306e\u6587" * 30
    script = "answer\ntext %s\\n\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467 done e\u0301\n" % wide
    for rows, columns in ((24, 79), (24, 80), (20, 41)):
        with Chat(binary, script, rows=rows, columns=columns) as chat:
            chat.say("\u4f60\u597d")
            chat.wait("done")
            shown = "".join(c for c in chat.text if c in wide)
            assert shown.count("\u6f22") == 30, chat.picture()
            for row in range(rows):
                # No wide character begins in the last column.
                last = chat.cell(row, columns - 1).data
                assert not last or unicodedata.east_asian_width(last[0]) not in "WF", row


def test_scrolling_and_following(binary):
    lines = "".join("text line%03d\\n\nrate 200\n" % i for i in range(120))
    with Chat(binary, "answer\n" + lines + "answer\nrepeat 60\ntext more\\n\n") as chat:
        chat.say("go")
        chat.wait("line030")
        chat.send("PageUp")
        chat.wait("line010")
        # The answer goes on below and does not pull the view along.
        chat.wait(lambda terminal: "line118" not in terminal.text)
        chat.settle(0.3)
        assert "line010" in chat.text or "line00" in chat.text
        chat.send("M->")
        chat.wait("line119")
        chat.say("again")
        chat.wait("more")
        chat.send("M-<")
        chat.wait("line000")
        chat.send("M->")
        chat.wait_gone("line000")
        chat.wait("more")


def test_resize_storm(binary):
    chooser = random.Random(20260731)
    with Chat(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("word")
        for _ in range(250):
            chat.resize(chooser.randint(1, 60), chooser.randint(1, 200))
        chat.resize(24, 80)
        chat.wait("word word word")
        chat.send("Escape")
        chat.wait("Stopped; the answer so far is kept.")
        chat.settle()
        before = chat.rows
        chat.send("C-l")
        chat.settle()
        assert chat.rows == before      # what was drawn in steps equals a fresh drawing
        chat.send("C-d")
        assert chat.finish() == 0


def test_a_flood_does_not_hold_up_keys(binary):
    script = "context 16000000\nanswer\nrepeat 1000000\ntext abc def ghi jkl\\n\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait("abc def")
        chat.send("typed meanwhile")
        chat.wait("typed meanwhile", seconds=5)
        chat.send("C-c")
        chat.wait("Stopped", seconds=5)
        chat.wait("typed meanwhile")


def test_status_line(binary):
    script = "context 2000\nanswer\nprefill 800 1500\nrate 50\nrepeat 200\ntext word\\s\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait(re.compile(r"800"))
        chat.wait(re.compile(r"t/s"))
        chat.wait(re.compile(r"ctx [\d,.k]+/2(,000|\.0k)"))
        chat.send("Escape")
        chat.wait("Stopped")


def test_no_color(binary):
    with Chat(binary, GREETING, environment={"NO_COLOR": "1"}) as chat:
        chat.say("hi")
        chat.wait("Hello, I am a script.")
        assert not re.search(rb"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9\d|10\d)[;m]", chat.raw)
