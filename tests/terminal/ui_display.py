"""The screen: what may be written to a terminal, on which terminals, in which sizes."""
import random
import re
import subprocess
import time

from chat_support import Chat, GREETING, Home, SLOW

EMOJI = "\U0001f468\u200d\U0001f469\u200d\U0001f467"

# Sequences that a frame may hold: cursor, erase, insert and delete, scroll region, attributes,
# character sets, modes of curses (1049 screen, 25 and 12 cursor, 1 keys, 4 insert, 7 wrap),
# paste, synchronised output, window title stack of terminfo's smcup.
ALLOWED = re.compile(
    rb"\x1b(?:\[(?:\d+(?:;\d+)?)?H|\[\d*[ABCDGJKLMPSTX@bd]|\[\d*;?\d*r|\[[\d;]*m|"
    rb"\[\?(?:1049|2004|2026|25|12|1|7|3;4)[hl]|\[4[hl]|\[2[23];0;0t|\([B0]|[=>78MDc]|"
    rb"\[!p|\)0)")


def on_screen(chat):
    """The bytes of the screen, without what is left in the normal one."""
    raw = bytes(chat.raw)
    return raw[:raw.rfind(b"\x1b[?1049l")]


def check_bytes(raw):
    rest = ALLOWED.sub(b"", bytes(raw))
    assert b"\x1b" not in rest, repr(rest[max(0, rest.find(b"\x1b") - 20):][:60])
    strange = set(rest) & (set(range(0x20)) - set(b"\r\n\b\t\x0e\x0f") | {0x7F})
    assert not strange, strange
    text = rest.decode("utf-8")
    assert not re.search("[\x80-\x9f\u200b\u200e\u200f\u2028-\u202e\u2066-\u2069]", text)
    return text


def test_every_sequence_is_known(binary):
    script = ("answer\nrate 200\ntext \\e]52;c;ZXZpbA==\\x07 \\e[2J\\e[?1000h "
              "\\x9b31m \u202etxt\\n\n"
              "text \\e]8;;http://x\\e\\\\ link\\r\\n\\xc2\\x9b6n \\eP+q\\e\\\\ \ue000 %s\\n\n"
              % EMOJI)
    for split in (1, 3):
        with Chat(binary, script.replace("rate 200", "split %d" % split)) as chat:
            chat.say("\u202ego")
            chat.wait("^[]8;;http://x^[")
            chat.send("/", "Tab")
            chat.wait("/regen")
            chat.send("C-c", "PageUp", "M->", "C-l")
            chat.resize(12, 40)
            chat.settle()
            chat.send("C-d")
            assert chat.finish() == 0
            text = check_bytes(on_screen(chat))
            assert "\u200d" not in text      # emoji of several are drawn as their base


def test_frames_are_bracketed(binary):
    with Chat(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("word word word word")
        chat.send("Escape")
        chat.wait("Stopped")
        chat.settle()
        inside = False
        for mark in re.finditer(rb"\x1b\[\?2026([hl])", bytes(chat.raw)):
            assert inside == (mark.group(1) == b"l")
            inside = not inside
        assert not inside
        # No background is painted.
        assert not re.search(rb"\x1b\[(?:\d+;)*(?:4[0-8]|10\d)[;m]", bytes(chat.raw))


def test_other_terminals(binary):
    for name in ("linux", "vt100", "screen", "tmux-256color", "xterm", "ansi", "rxvt"):
        known = subprocess.run(["infocmp", name], capture_output=True, check=False)
        if known.returncode != 0:
            continue
        with Chat(binary, GREETING, environment={"TERM": name}) as chat:
            before = chat.stty()
            chat.say("good morning")
            chat.wait(lambda terminal: b"I am a script" in terminal.raw)
            chat.send("C-d")
            assert chat.finish() == 0, name
            assert before is not None


def test_without_utf8(binary):
    script = "answer\ntext na\u00efve \u201cquoted\u201d \u4e16\u754c \u2026 end\\n\n"
    with Chat(binary, script, environment={"LANG": "C", "LC_ALL": "C"}) as chat:
        chat.say("go")
        chat.wait('na?ve "quoted" ???? . end')
        chat.send("/", "Tab")
        chat.wait("/regen")
        chat.send("C-c", "C-d")
        assert chat.finish() == 0
        assert max(on_screen(chat)) < 0x80


def test_a_storm_of_sizes(binary):
    chooser = random.Random(7)
    script = "answer\nrate 300\nrepeat 3000\ntext w\u00f6rd \u4e16\u754c %s \n" % EMOJI
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.send("input \u4e16\u754c", "C-j", "second line")
        for number in range(400):
            chat.resize(chooser.choice((1, 2, 3, 8, 24, 200, chooser.randint(1, 200))),
                        chooser.choice((1, 2, 5, 39, 40, 80, 500, chooser.randint(1, 500))))
            if number % 7 == 0:
                chat.send(chooser.choice(("x", "PageUp", "C-l", "Tab", "M-t", "Backspace")))
            if number % 50 == 0:
                time.sleep(0.05)
        chat.resize(24, 80)
        chat.send("C-c")
        chat.wait("Stopped", 60)
        chat.settle()
        before = chat.rows
        chat.send("C-l")
        chat.settle()
        assert chat.rows == before, chat.picture()


def test_single_line_mode(binary):
    with Chat(binary, GREETING, rows=2, columns=30, ready=None) as chat:
        chat.wait(">")
        chat.say("hello")
        chat.wait("Hello, I am a script.")
        assert chat.row(1) == ">" and chat.cursor == (1, 2)
        chat.resize(1, 30)
        chat.send("typed")
        chat.wait(lambda terminal: terminal.row(0) == "> typed")


def test_the_layouts(binary):
    with Chat(binary, "name tiny\nanswer\nrate 300\nthink hm\ntext fine\n", rows=24,
              columns=80) as chat:
        chat.say("how are you?")
        chat.wait("fine")
        chat.wait("ready")
        rows = chat.rows
        assert rows[0].startswith(" banter  tiny") and set(rows[1]) == {"\u2500"}
        assert set(rows[20]) == {"\u2500"} and rows[21].startswith(" ready")
        start = rows.index(" you")
        assert rows[start + 1] == "   how are you?" and rows[start + 2] == ""
        assert re.match(r" \[thought for .* - Alt-T unfolds\]", rows[start + 3])
        assert rows[start + 4:start + 6] == [" model", "   fine"]
        chat.resize(12, 40)
        chat.wait(" > how are you?")
        chat.wait(" * fine")
        assert chat.row(0) == " tiny" and chat.row(10).startswith(" ready")


def test_new_lines_below(binary):
    lines = "answer\nrate 100\n" + "".join("text line%03d\\n\n" % i for i in range(150))
    with Chat(binary, lines) as chat:
        chat.say("go")
        chat.wait("line030")
        chat.send("C-Up", "C-Up", "C-Up")
        chat.wait(re.compile(r"-- \d+ new lines? below \(End\) --"))
        top = chat.row(2)
        chat.settle(0.4, 30)
        assert chat.row(2) == top
        chat.send("End")
        chat.wait("line149")
        chat.wait_gone("below (End)")
        chat.send("PageUp", "some text")
        chat.wait("lines below (End)")
        chat.resize(24, 60)
        chat.settle()
        assert "new" not in chat.row(19)
        chat.send("Enter")      # what is sent is seen
        chat.wait_gone("below (End)")


def test_keys_are_shown_at_once_while_it_streams(binary):
    fast = "answer\nrate 100\nrepeat 3000\ntext some words\\s\n"
    with Chat(binary, fast) as chat:
        chat.say("go")
        chat.wait("some words some words")
        times = []
        for number in range(40):
            letter = "abcdefghij"[number % 10]
            start = len(chat.raw)
            began = time.monotonic()
            chat.send(letter)
            chat.wait_raw(letter.encode(), start=start)
            times.append(time.monotonic() - began)
        times.sort()
        assert times[len(times) // 2] < 0.05, times
        chat.send("Escape")
        chat.wait("Stopped")


def test_the_screen_costs_little(binary):
    """30 tokens a second for some seconds; the aim is one hundredth of a processor."""
    script = "answer\nrate 30\nrepeat 400\ntext words of an answer\\s\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait("words of an answer")
        before, began = chat.processor_seconds(), time.monotonic()
        time.sleep(3)
        share = (chat.processor_seconds() - before) / (time.monotonic() - began)
        assert share < 0.05 or "address" in binary or "undefined" in binary, share
        chat.send("Escape")
        chat.wait("Stopped")


def test_scripted_keys_wait(binary):
    with Home() as home:
        keys = home.file("keys", "first message\n\\w\nsecond\\jline\n\\w\n"
                                 "\\e[A\\d50\\cu\\cu\\cu/quit\\n")
        script = "answer\nrate 40\ntext one two three\nanswer\nrate 40\ntext four five six\n"
        with Chat(binary, script, "--keys", keys, home=home, ready=None) as chat:
            assert chat.finish() == 0
            assert re.search("you: second\n *line\n(.|\n)*model: four five six", chat.text), \
                chat.picture()
