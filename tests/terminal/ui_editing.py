"""The input line: readline under curses, trap by trap."""
import os
import re
import time

from chat_support import Chat, Home, ROOT, SLOW
from terminal import PASTE_BEGIN, PASTE_END

ECHO = "answer\ntext Hello.\n"


def line(chat, wanted, seconds=20):
    """Wait until the rows of the input are `wanted` (a list, or one row)."""
    rows = [wanted] if isinstance(wanted, str) else wanted
    chat.wait(lambda terminal: terminal.rows[-len(rows):] == rows, seconds)


def cursor_after(chat, column, row=-1):
    rows = len(chat.rows)
    chat.wait(lambda terminal: terminal.cursor == (rows + row, column))


class Inputrc(Home):
    def __init__(self, text):
        super().__init__()
        self.inputrc = self.file("inputrc", text)


def vi_chat(binary, home, script=ECHO, **kwargs):
    return Chat(binary, script, home=home, environment={"INPUTRC": home.inputrc}, **kwargs)


# ---- characters and the cursor ---------------------------------------------------------------

def test_cursor_column_of_difficult_text(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("a\u4e16\u754c")
        line(chat, "> a\u4e16\u754c")
        cursor_after(chat, 7)
        chat.send("Left")
        cursor_after(chat, 5)
        chat.send("C-e", "e\u0301")
        cursor_after(chat, 8)
        chat.send("C-u", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "x")
        cursor_after(chat, 5)
        # A control character is two columns wide, as ^A.
        chat.send("C-u", "C-v", "C-a", "b")
        line(chat, "> ^Ab")
        cursor_after(chat, 5)
        chat.send("Left", "Left")
        cursor_after(chat, 2)
        # A tab reaches to the next stop of eight columns, counted from the prompt.
        chat.send("C-u", "ab", "C-v", "Tab", "c")
        cursor_after(chat, 11)


def test_characters_in_pieces(binary):
    with Chat(binary, ECHO) as chat:
        for byte in "\u4e16\U0001f600\xe4".encode():
            chat.send(bytes([byte]))
            time.sleep(0.01)
        line(chat, "> \u4e16\U0001f600\xe4")
        chat.send("Backspace", "Backspace")
        line(chat, "> \u4e16")
        cursor_after(chat, 4)


def test_broken_characters_are_dropped(binary):
    with Chat(binary, ECHO) as chat:
        chat.send(b"a\xff\xfe\x80b\xe4\xb8c")
        line(chat, "> abc")


def test_a_long_line_wraps_and_scrolls(binary):
    with Chat(binary, ECHO, rows=12, columns=40) as chat:
        chat.send("x" * 38)
        cursor_after(chat, 2)      # the row is full: the cursor waits in the next one
        chat.send("y" * 300)
        chat.wait(lambda terminal: terminal.row(-1).strip().endswith("y"))
        assert sum(row.strip("yx> ") == "" and row != "" for row in chat.rows[-5:]) >= 4
        chat.send("C-a")
        chat.wait(lambda terminal: any(row.startswith("> xxx") for row in terminal.rows[-4:]))


# ---- escape sequences ------------------------------------------------------------------------

def test_unbound_keys_type_nothing(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("a", "\x1b[15~", "\x1b[24;5~", "\x1bOR", "\x1b[99;99u", "\x1b[Z", "b")
        line(chat, "> ab")


def test_replies_of_the_terminal_are_not_keys(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("a", "\x1b[24;80R", "\x1b]11;rgb:0000/0000/0000\x07", "\x1b[?62;4c",
                  "\x1bP1+r544e=787465726d\x1b\\", "\x1b[I", "\x1b[<0;1;1M", "b")
        line(chat, "> ab")


def test_a_slow_escape_sequence_is_one_key(binary):
    """Over a slow line an arrow comes in pieces; it must not interrupt, nor be typed."""
    with Chat(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("word")
        chat.send("abc")
        for byte in ("\x1b[", "D", "\x1b[1;", "5D"):
            chat.send(byte)
            time.sleep(0.06)
        chat.send("X")
        line(chat, "> Xabc")
        assert "Stopped" not in chat.text


def test_escape_interrupts_while_it_streams(binary):
    fast = "answer\nrate 500\nrepeat 4000\ntext word\\s\n"
    with Chat(binary, fast) as chat:
        chat.say("go")
        chat.wait("word")
        chat.send("typed on", "Escape")
        chat.wait("Stopped")
        line(chat, "> typed on")


def test_shift_enter_in_both_encodings(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("one", "\x1b[13;2u", "two", "\x1b[27;2;13~", "three")
        line(chat, ["> one", "  two", "  three"])
        assert "Hello" not in chat.text


# ---- several lines ---------------------------------------------------------------------------

def test_rows_and_lines(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("first", "C-j", "second", "M-Enter", "third")
        line(chat, ["> first", "  second", "  third"])
        chat.send("Up", "C-a", "2")
        line(chat, ["> first", "  2second", "  third"])
        chat.send("C-e", "!", "Up", "C-a", "C-k")
        line(chat, [">", "  2second!", "  third"])
        chat.send("Down", "Down", "C-e", "C-u")
        line(chat, [">", "  2second!", ""])
        chat.send("Up", "C-a", "C-u")      # at the start of a line its newline goes
        line(chat, ["> 2second!", ""])
        chat.send("C-_")
        line(chat, [">", "  2second!", ""])


def test_up_goes_to_history_from_the_first_row(binary):
    with Chat(binary, ECHO) as chat:
        chat.say("older")
        chat.wait("Hello.")
        chat.send("a", "C-j", "b", "Up")
        cursor_after(chat, 3, -2)
        chat.send("Up")
        line(chat, "> older")
        chat.send("Down")
        line(chat, ["> a", "  b"])


def test_a_column_is_kept_over_short_rows(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("long first", "C-j", "x", "C-j", "long third", "Up")
        cursor_after(chat, 3, -2)
        chat.send("Up")
        cursor_after(chat, 12, -3)


# ---- paste -----------------------------------------------------------------------------------

def test_paste_is_text_only(binary):
    with Chat(binary, ECHO) as chat:
        chat.paste("a\x1b[31mb\x07\x03\x04\x1a\tc\r\nd")
        line(chat, ["> a[31mb  c", "  d"])
        chat.send("C-u", "C-u", "C-u")
        line(chat, ">")
        chat.send(PASTE_BEGIN, "in \x1b[2", "00~ it", PASTE_END, "!")
        line(chat, "> in [200~ it!")


def test_a_paste_without_end(binary):
    with Chat(binary, ECHO) as chat:
        chat.send(PASTE_BEGIN, "lost end")
        chat.settle(0.3)
        assert "lost end" not in chat.text
        line(chat, "> lost end")
        chat.send("!")
        line(chat, "> lost end!")


def test_a_large_paste(binary):
    with Chat(binary, ECHO) as chat:
        started = time.monotonic()
        chat.paste("0123456789 \u4e16\u754c\n" * 55000 + "the end")
        line(chat, "  the end", 60)
        assert time.monotonic() - started < 30
        chat.send("!")
        line(chat, "  the end!")
        chat.send("Enter")
        chat.wait("the context has room for", 60)


def test_undo_takes_a_paste_at_once(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("kept ")
        chat.paste("many words\nin lines")
        line(chat, ["> kept many words", "  in lines"])
        chat.send("C-_")
        chat.wait(lambda terminal: terminal.row(-1).startswith("> kept"))


# ---- searching and pending states ------------------------------------------------------------

def test_search_in_other_scripts(binary):
    with Chat(binary, ECHO) as chat:
        for text in ("\u4f60\u597d \u4e16\u754c", "gr\xfc\xdfe", "other"):
            chat.say(text)
            chat.wait_gone("> " + text)
        chat.send("C-r", "\u4e16")
        chat.wait("(reverse-i-search)`\u4e16': \u4f60\u597d \u4e16\u754c")
        chat.send("\u754c")
        chat.wait("`\u4e16\u754c': \u4f60\u597d \u4e16\u754c")
        chat.send("C-a")
        line(chat, "> \u4f60\u597d \u4e16\u754c")
        chat.send("C-c", "C-r", "\xfc\xdf")
        chat.wait("`\xfc\xdf': gr\xfc\xdfe")
        # The match is marked, and not by colour.
        row = next(i for i, text in enumerate(chat.rows) if "reverse-i-search" in text)
        marked = [chat.cell(row, column).data for column in range(80)
                  if chat.cell(row, column).reverse]
        assert "".join(marked) == "\xfc\xdf", (marked, chat.picture())
        chat.send("Enter")
        chat.wait_gone("reverse-i-search")


def test_forward_search_is_not_swallowed(binary):
    with Chat(binary, ECHO) as chat:
        for text in ("one apple", "two apples"):
            chat.say(text)
            chat.wait_gone("> " + text)
        chat.send("C-r", "apple", "C-r")
        chat.wait("`apple': one apple")
        chat.send("C-s", "C-s")
        chat.wait("(i-search)`apple': two apples")


def test_paste_into_a_search(binary):
    with Chat(binary, ECHO) as chat:
        chat.say("needle in hay")
        chat.wait_gone("> needle")
        chat.send("C-r")
        chat.wait("reverse-i-search")
        chat.paste("needle\nsecond line")
        chat.wait("`needle': needle in hay")


def test_ctrl_c_leaves_every_state(binary):
    with Chat(binary, ECHO) as chat:
        chat.say("findme")
        chat.wait("Hello.")
        for keys in (("C-r", "find"), ("M-1", "M-2"), ("C-v",), ("C-x",), ("a", "C-j", "b")):
            chat.send(*keys)
            chat.settle(0.1)
            chat.send("C-c")
            line(chat, ">")
            chat.send("clean")
            line(chat, "> clean")
            chat.send("C-u")
            line(chat, ">")
        chat.send("Up")        # and history is where it was
        line(chat, "> findme")


# ---- the user's inputrc ----------------------------------------------------------------------

def test_vi_mode(binary):
    with Inputrc("set editing-mode vi\nset show-mode-in-prompt on\n") as home:
        with vi_chat(binary, home) as chat:
            chat.send("hello world")
            chat.wait("(ins)> hello world")
            chat.send("Escape")
            chat.wait("(cmd)> hello world")
            chat.send("b")
            chat.send("C", "there", "Escape", "0", "x")
            chat.wait("(cmd)> ello there")
            chat.send("A", "!", "C-j", "second")
            chat.wait("(ins)> ello there!")
            chat.send("Escape", "k", "D")
            chat.settle(0.1)
            chat.send("C-c", "/he", "Tab")
            chat.wait("(ins)> /help")


def test_vi_escape_belongs_to_readline_when_idle(binary):
    with Inputrc("set editing-mode vi\nset show-mode-in-prompt on\n") as home:
        with vi_chat(binary, home, SLOW) as chat:
            chat.say("go")
            chat.wait("word")
            chat.send("Escape")
            chat.wait("Stopped")
            chat.wait("(ins)>")
            chat.send("Escape")
            chat.wait("(cmd)>")


def test_the_editor_in_vi_mode(binary):
    with Inputrc("set editing-mode vi\n") as home:
        editor = home.file("editor", '#!/bin/sh\nprintf "from the\\neditor" >"$1"\n')
        os.chmod(editor, 0o700)
        with Chat(binary, ECHO, home=home,
                  environment={"INPUTRC": home.inputrc, "VISUAL": editor}) as chat:
            chat.send("draft", "Escape")
            chat.settle(0.1)
            chat.send("v")
            line(chat, ["> from the", "  editor"])
            chat.send("!")
            line(chat, ["> from the", "  editor!"])


def test_every_function_is_in_the_manual():
    with open(os.path.join(ROOT, "ui/editing.c"), encoding="utf-8") as source:
        names = re.findall(r'^ *{"([a-z-]+)", [a-z_]+},', source.read(), re.M)
    with open(os.path.join(ROOT, "man/banter-keys.7"), encoding="utf-8") as page:
        documented = re.findall(r"(?:banter|vi|edit)-[a-z-]+", page.read())
    assert len(names) > 15
    assert not set(names) - set(documented), set(names) - set(documented)


def test_inputrc_has_the_last_word(binary):
    text = ('$if banter\n"\\C-t": "typed by a macro"\n"\\C-g": banter-newline\n'
            '"\\C-j": accept-line\n"\\C-o": beginning-of-line\n$endif\n$if Bash\n'
            '"\\C-t": "wrong"\n$endif\n')
    with Inputrc(text) as home, vi_chat(binary, home) as chat:
        chat.send("C-t")
        line(chat, "> typed by a macro")
        chat.send("C-g", "x", "C-o", "y")
        line(chat, ["> typed by a macro", "  yx"])
        chat.send("C-j")
        chat.wait("Hello.")


def test_settings_that_would_disturb_the_screen(binary):
    text = ("set bell-style audible\nset blink-matching-paren on\n"
            "set completion-query-items 1\n"
            "set enable-bracketed-paste on\nset colored-stats on\nset page-completions on\n"
            "set mark-modified-lines on\nset horizontal-scroll-mode on\n")
    with Inputrc(text) as home, vi_chat(binary, home) as chat:
        chat.send("/", "Tab", "Tab")
        chat.wait("/regen")
        assert "possibilities" not in chat.text and "--More--" not in chat.text
        chat.send("C-u", "C-g", "C-g", "Backspace")
        started = time.monotonic()
        chat.send("(((x)))")
        line(chat, "> (((x)))")
        assert time.monotonic() - started < 0.9      # blinking would sleep for each
        chat.settle()
        assert b"\x07" not in chat.raw


def test_environment_does_not_size_the_screen(binary):
    with Chat(binary, ECHO, environment={"LINES": "50", "COLUMNS": "132"}) as chat:
        chat.send("x")
        line(chat, "> x")
        chat.resize(30, 60)
        chat.wait(lambda terminal: terminal.row(29) == "> x")


# ---- completion ------------------------------------------------------------------------------

def test_the_list_narrows_and_closes(binary):
    with Chat(binary, ECHO) as chat:
        chat.send("/", "Tab")
        chat.wait("/regen")
        chat.send("s")
        chat.wait(lambda terminal: "/system" in terminal.text and "/set" in terminal.text
                  and "/regen" not in terminal.text)
        chat.send("Backspace")
        chat.wait("/regen")
        chat.send("Escape")
        chat.wait_gone("/regen")
        line(chat, "> /")
        chat.send("re", "Tab")
        line(chat, "> /regen")
        cursor_after(chat, 9)


def test_history_is_kept_in_lines_and_private(binary):
    with Home() as home:
        with Chat(binary, ECHO, home=home) as chat:
            chat.say(" not kept")
            chat.wait("Hello.")
            chat.send("two", "C-j", "lines", "Enter")
            chat.wait(re.compile("(Hello(.|\n)*){2}"))
            chat.send("C-d")
            chat.finish()
        with Chat(binary, ECHO, home=home) as chat:
            chat.send("Up")
            line(chat, ["> two", "  lines"])
            chat.send("Up", "Up", "Up")
            chat.settle(0.1)
            assert "not kept" not in chat.text
        path = os.path.join(home.path, "state/banter/history")
        with open(path, encoding="utf-8") as text:
            assert text.read() == "two\\nlines\n"
