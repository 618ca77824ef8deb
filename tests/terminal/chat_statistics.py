"""Statistics of answers: the panel, /stats, and lines without a screen."""
import json
import re

from chat_support import Chat, F2, GREETING, GUIDE, SLOW, unwrapped


def test_panel_follows_the_answer(binary):
    for rows, columns in ((24, 80), (40, 120), (12, 40)):
        with Chat(binary, SLOW, rows=rows, columns=columns) as chat:
            chat.send(F2)
            chat.wait("There is no answer yet.")
            chat.send(F2)
            chat.wait_gone("There is no answer yet.")
            chat.say("go")
            chat.wait("word")
            chat.send(F2)
            first = chat.wait(re.compile(r"(\d+) tokens")).group(1)
            chat.wait(lambda terminal: (re.search(r"(\d+) tokens", terminal.text) or
                                        re.match("()", "")).group(1) not in ("", first))
            chat.send("s")
            chat.wait("statistics: session")
            chat.send("s")
            chat.wait("statistics: last answer")
            chat.send("q")
            chat.wait_gone("statistics:")
            chat.send("Escape")
            chat.wait("Stopped")
            chat.say("/stats session")
            chat.wait(re.compile(r"answers +1\b"))
            chat.send("q")
            chat.wait_gone("statistics:")
            chat.send("C-d")
            assert chat.finish() == 0


def test_figures_of_speculation(binary):
    with Chat(binary, None, "--model", GUIDE, "--temperature", "0", "--plain", "--policy", "mtp",
              ready="you:") as chat:
        chat.say("how do I choose a system prompt?")
        chat.wait(re.compile(r"status: \d+ tokens, [\d.]+ tokens per second, \d+ percent of "
                             r"drafts accepted"))
        chat.say("/stats")
        chat.wait(re.compile(r"policy +mtp"))
        chat.wait(re.compile(r"mtp: drafted \d+, verified \d+, accepted \d+"))
        start = len(chat.raw)
        chat.say("/stats json")
        chat.wait_raw(b'"session"', start=start)
        chat.settle(0.05)
        line = next(line for line in bytes(chat.raw[start:]).splitlines()
                    if line.startswith(b"{"))
        figures = json.loads(line)
        speculation = figures["statistics"]["speculation"]
        assert figures["policy"] == "mtp" and not figures["running"]
        assert speculation["proposed"] == speculation["verified"] + speculation["ignored"]
        assert speculation["verified"] == speculation["accepted"] + speculation["rejected"]
        assert figures["session"]["verified"] == speculation["verified"] > 0
        chat.say("/stats session")
        chat.wait(re.compile(r"answers +1\b"))
        chat.say("/stats nonsense")
        chat.wait("error: /stats takes")
        chat.say("/quit")
        assert chat.finish() == 0


def test_before_an_answer(binary):
    with Chat(binary, GREETING, "--plain", ready="you:") as chat:
        chat.say("/stats json")
        chat.wait("There is no answer yet.")
        chat.say("/stats session")
        chat.wait(re.compile(r"answers +0"))


def test_json_on_the_screen(binary):
    with Chat(binary, GREETING, rows=40, columns=100) as chat:
        chat.say("hi")
        chat.wait("Hello, I am a script.")
        chat.wait("ready")
        chat.say("/stats json")
        chat.wait(lambda terminal: '"policy":"auto"' in unwrapped(terminal))
