"""Model output never drives the terminal: the bytes on the wire are parsed, and every escape
sequence in them must be one that the screen library itself sends."""
import re

from chat_support import Chat

# Payloads of known attacks: window title, clipboard, hyperlinks, queries that the terminal answers
# by typing, device control, mouse and paste modes, 8-bit controls, bidirectional overrides,
# screen resets, and sequences that are cut short.
PAYLOADS = [
    b"\x1b]0;owned\x07", b"\x1b]2;owned\x1b\\", b"\x1b]52;c;b3duZWQ=\x07",
    b"\x1b]8;;http://evil\x1b\\link\x1b]8;;\x1b\\", b"\x1b]1337;File=:AAAA\x07",
    b"\x1b]777;notify;owned\x07", b"\x1b]10;?\x07", b"\x1b[6n", b"\x1b[c", b"\x1b[5n",
    b"\x1b[>0q", b"\x1b[21t", b"\x1b[8;1;1t", b"\x1bP+q544e\x1b\\", b"\x1bP0;0|41/owned\x1b\\",
    b"\x1b_Gf=100;AAAA\x1b\\", b"\x1b^private\x1b\\", b"\x1bXstring\x1b\\",
    b"\x1b[?1000h", b"\x1b[?1003h", b"\x1b[?1006h", b"\x1b[?2004l", b"\x1b[?1049l", b"\x1b[?25l",
    b"\x1b[?5h", b"\x1b[2J", b"\x1b[3J", b"\x1b[H", b"\x1b[1;1r", b"\x1b[4h", b"\x1b[20h",
    b"\x1bc", b"\x1b#8", b"\x1b(0", b"\x1bN", b"\x1b[31;5m", b"\x1b[9999999999999b",
    b"\x0e", b"\x0f", b"\x05", b"\x08\x08\x08", b"\x7f", b"\x00", b"\x0b\x0c", b"\r",
    b"\xc2\x9b2J", b"\xc2\x9d0;owned\xc2\x9c", b"\xc2\x90q\xc2\x9c", b"\x9b2J", b"\x9d0;owned\x9c",
    b"\xe2\x80\xaeoverride\xe2\x80\xac", b"\xe2\x81\xa6isolate", b"\xe2\x80\x8b\xe2\x80\x8d",
    b"\xf3\xa0\x80\x81tag", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\xaf",
    b"\x1b", b"\x1b[", b"\x1b]0;", b"\x1bP", b"\xe2\x80",
]

# What ncurses sends on xterm-256color, tmux and the like, and our own two: bracketed paste and
# synchronised output.
ALLOWED = re.compile(
    rb"\x1b(?:"
    rb"\[[0-9;]*[ABCDGHJKLMPSTX@dfmrb]"       # cursor, erase, insert, delete, scroll, colours
    rb"|\[[?](?:1|7|12|25|1049|2004|2026)(?:;(?:12|25|1049))*[hl]"
    rb"|\[22;0;0t|\[23;0;0t"                  # xterm's smcup and rmcup keep the title
    rb"|\[4[hl]|\[!p|\[>4?[hl]"
    rb"|\([B0]|\)[B0]|[=>78M])")


def foreign_sequences(raw):
    """Escape and control bytes that are no part of an allowed sequence."""
    rest = ALLOWED.sub(b"", bytes(raw))
    rest = re.sub(rb"[\x07\x08\t\n\r\x0e\x0f]", b"", rest) if b"\x1b" not in rest else rest
    return re.findall(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f].{0,12}", rest, re.S) + \
        re.findall(rb"\xc2[\x80-\x9f]", rest)


def escaped(data):
    return "".join(chr(b) if 33 <= b < 127 and b != 92 else "\\x%02x" % b for b in data)


def hostile_script(split):
    lines = ["name t\\e]0;owned\\x07", "answer", "split %d" % split]
    lines += ["text A%d%sZ\\n" % (i, escaped(payload)) for i, payload in enumerate(PAYLOADS)]
    lines += ["text the\\send"]
    lines += ["answer", "split %d" % split]
    lines += ["think A%d%sZ\\n" % (i, escaped(payload)) for i, payload in enumerate(PAYLOADS)]
    lines += ["text thought\\sabout\\sit"]
    lines += ["answer", "fail broken \x1b]0;owned\x07 disk"]
    return "\n".join(lines) + "\n"


def converse(chat):
    chat.say("one")
    chat.wait("the end")
    chat.say("two")
    chat.wait("thought about it")
    chat.say("three")
    chat.wait("broken ")
    for key in ("PageUp", "PageUp", "PageUp", "PageDown", "M-t", "C-l"):
        chat.send(key)
        chat.settle(0.05)
    chat.say("/prompt \u202e\u2066")
    chat.wait("user:")


def test_no_payload_reaches_the_terminal(binary):
    for split in (1, 3, 0):
        with Chat(binary, hostile_script(split), rows=50) as chat:
            converse(chat)
            chat.send("C-d")
            assert chat.finish() == 0
            assert not foreign_sequences(chat.raw), foreign_sequences(chat.raw)[:5]
            assert b"]0;" not in chat.raw.replace(b"^[]0;", b"")
            for mark in ("\u202e", "\u2066", "\u200b"):
                assert mark.encode() not in chat.raw


def test_payloads_are_shown(binary):
    script = "answer\ntext a\\e[2Jb\\u\n".replace("\\u", "\\xe2\\x80\\xaec")
    with Chat(binary, script) as chat:
        chat.say("one")
        chat.wait("a^[[2Jb<U+202E>c")


def test_hostile_names_and_paths(binary):
    with Chat(binary, "name x\\e]0;owned\\x07y\nanswer\ntext hello\n",
              ready="ready") as chat:
        chat.say("/info")
        chat.wait("architecture")
        chat.send("C-d")
        chat.finish()
        assert b"\x1b]0;" not in chat.raw and not foreign_sequences(chat.raw)


def test_hostile_paste(binary):
    with Chat(binary, "answer\ntext fine\n") as chat:
        chat.paste(b"ls\x1b]0;owned\x07 \x1b[2J\x1b[6n \xe2\x80\xaeend\nsecond line")
        chat.wait("second line")
        assert "fine" not in chat.text      # a newline in a paste sends nothing
        chat.send("Enter")
        chat.wait("fine")
        chat.send("C-d")
        chat.finish()
        assert not foreign_sequences(chat.raw), foreign_sequences(chat.raw)[:5]
