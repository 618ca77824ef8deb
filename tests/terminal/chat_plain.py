"""The chat without a screen: the same commands, labelled lines, nothing drawn again."""
import re
import signal

from chat_support import Chat, GREETING, SLOW, THINKING, fresh_stty


# readline has the terminal now; an earlier Ctrl-D would be the line discipline's.
PROMPT = re.compile(r"\nyou:\s*\Z")


def plain(binary, script, *options, **kwargs):
    return Chat(binary, script, "--plain", *options, ready="you:", **kwargs)


def test_conversation(binary):
    with plain(binary, THINKING) as chat:
        chat.say("what is it?")
        chat.wait("model: The answer is 42.")
        chat.wait(re.compile(r"status: thought for \d+\.\d s, \d+ tokens"))
        chat.wait(re.compile(r"status: \d+ tokens, [\d.]+ tokens per second"))
        assert "consider" not in chat.text
        chat.say("/set show_thinking on")
        chat.wait("show_thinking is true")
        chat.say("/regen")
        chat.wait("thinking: First I consider the question.")
        chat.say("/quit")
        assert chat.finish() == 0


def test_dumb_terminal_goes_on_in_plain_mode(binary):
    with Chat(binary, GREETING, ready="you:", environment={"TERM": "dumb"}) as chat:
        assert "plain mode" in chat.text
        chat.say("hi")
        chat.wait("model: Hello, I am a script.")
        assert not chat.alternate
        chat.wait(PROMPT)
        chat.send("C-d")
        assert chat.finish() == 0


def test_commands_are_the_same(binary):
    with plain(binary, GREETING) as chat:
        chat.say("/help")
        chat.wait("/regen [KEY=VALUE ...]")
        chat.say("/get seed")
        chat.wait(re.compile(r"seed \d+ \(random"))
        chat.say("/nonsense")
        chat.wait("error: no command is called /nonsense")
        chat.say("//slash")
        chat.wait("model: Hello")
        chat.say("/prompt")
        chat.wait("user: /slash")
        chat.say("/q")
        assert chat.finish() == 0


def test_ctrl_c_stops_the_answer(binary):
    with plain(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("model: word word")
        chat.send("C-c")
        chat.wait("Stopped; the answer so far is kept.")
        chat.say("/get temperature")
        chat.wait("the model's own")
        chat.wait(PROMPT)
        chat.send("C-d")
        assert chat.finish() == 0


def test_ctrl_c_gives_up_the_line(binary):
    with plain(binary, GREETING) as chat:
        chat.send("half a line", "C-c")
        chat.wait(re.compile(r"you:[^\n]*\nyou:\s*\Z"))
        chat.say("hi")
        chat.wait("model: Hello, I am a script.")
        chat.say("/prompt")
        chat.wait("user: hi")
        chat.say("/quit")
        assert chat.finish() == 0


def test_signals_while_a_line_is_read(binary):
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGSEGV):
        with plain(binary, GREETING) as chat:
            before = fresh_stty()
            chat.send("half")
            chat.wait("half")
            chat.signal(number)
            status = chat.finish()
            assert status == -number or "Sanitizer" in chat.text, (number, status)
            assert chat.stty() == before and not chat.paste_mode, number


def test_output_is_filtered(binary):
    with plain(binary, "answer\nsplit 1\ntext a\\e]0;owned\\x07b\\e[2J\\xc2\\x9bc\\xff\n") as chat:
        start = len(chat.raw)
        chat.say("hi")
        chat.wait(re.compile(r"status: \d+ tokens"))
        answer = bytes(chat.raw[start:]).partition(b"model: ")[2].partition(b"status:")[0]
        assert b"\x1b" not in answer and b"\x07" not in answer and b"\xc2\x9b" not in answer
        assert b"owned" in answer
