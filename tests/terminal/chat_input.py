"""The input line as the chat uses it: several lines, paste, completion, history."""
import os
import re

from chat_support import Chat, GREETING, Home


def test_several_lines(binary):
    with Chat(binary, GREETING) as chat:
        chat.send("first", "C-j", "second", "M-Enter", "third", "Enter")
        chat.wait("Hello, I am a script.")
        chat.say("/prompt")
        chat.wait(re.compile(r"user: first\n *second\n *third"))


def test_paste_sends_nothing(binary):
    with Chat(binary, GREETING) as chat:
        chat.paste("one\ntwo\r\nthree\n")
        chat.wait("three")
        chat.settle()
        assert "Hello" not in chat.text
        chat.send("Enter")
        chat.wait("Hello, I am a script.")


def test_completion(binary):
    with Chat(binary, GREETING) as chat:
        chat.send("/he", "Tab")
        chat.wait(re.compile(r"> /help"))
        chat.send("C-u", "/set tempe", "Tab")
        chat.wait("/set temperature")
        chat.send("C-u", "/set think o", "Tab", "Tab")
        chat.wait(lambda terminal: "on" in terminal.text and "off" in terminal.text)


def test_history_between_runs(binary):
    with Home() as home:
        with Chat(binary, GREETING, home=home) as chat:
            chat.say("remember me")
            chat.wait("Hello")
            chat.send("C-d")
            chat.finish()
        history = os.path.join(home.path, "state/banter/history")
        assert os.stat(history).st_mode & 0o777 == 0o600
        with Chat(binary, GREETING, home=home) as chat:
            chat.send("Up")
            chat.wait("> remember me")


def test_history_of_two_programs(binary):
    with Home() as home:
        with Chat(binary, GREETING, home=home) as first, \
                Chat(binary, GREETING, home=home) as second:
            for number in range(5):
                first.say("first %d" % number)
                second.say("second %d" % number)
            for chat in (first, second):
                chat.wait(re.compile(r"(Hello(.|\n)*){3}"))
                chat.send("C-d")
                chat.finish()
        with open(os.path.join(home.path, "state/banter/history"), encoding="utf-8") as text:
            kept = text.read()
        for number in range(5):
            assert kept.count("first %d" % number) == 1 and kept.count("second %d" % number) == 1


def test_no_history_when_not_wanted(binary):
    with Home() as home:
        with Chat(binary, GREETING, "--no-history", home=home) as chat:
            chat.say("forget me")
            chat.wait("Hello")
            chat.send("C-d")
            chat.finish()
        assert not os.path.exists(os.path.join(home.path, "state/banter/history"))


def test_ctrl_c_and_ctrl_d(binary):
    with Chat(binary, GREETING) as chat:
        chat.send("unfinished", "C-c")
        chat.wait_gone("unfinished")
        chat.send("C-c")
        chat.wait("Ctrl-D or /quit leaves")
        chat.send("x", "C-d")
        chat.settle()
        chat.send("C-u", "C-d")
        assert chat.finish() == 0
