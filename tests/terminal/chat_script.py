"""What the scripted engine says of policies, lanes and checks, exactly as the screen shows it."""
import re

from chat_support import Chat, TINY, unwrapped

MARKED = "name tiny\nanswer\ntext plain\\s\nsource ngram 100\ntext proposed words here\n"
STATES = ("name tiny\nanswer\nrate 40\nsource ngram 70\nstate gated the shape is periodic\n"
          "repeat 200\ntext word\\s\n")
LANES = ("name tiny\nmargin 31\nanswer\ntext hello\nanswer\ntext same words\\s\n"
         "lane 0\ntext and the end\nlane 1\ntext and a end\n")


def underlined(chat, text):
    for number, row in enumerate(chat.rows):
        if text in row:
            return chat.cell(number, row.index(text)).underscore
    raise AssertionError("no %r\n%s" % (text, chat.picture()))


def test_marks(binary):
    with Chat(binary, MARKED) as chat:
        chat.say("go")
        chat.wait("words here")
        assert not underlined(chat, "words")
        chat.say("/set marks on")
        chat.wait("marks is true.")
        chat.wait_for(lambda: underlined(chat, "words"), 5, "underlined words")
        assert not underlined(chat, "plain"), chat.picture()
    with Chat(binary, MARKED, "--marks", rows=12, columns=40) as chat:
        chat.say("go")
        chat.wait("words here")
        chat.wait_for(lambda: underlined(chat, "words"), 5, "underlined words")


def test_state_and_reason(binary):
    with Chat(binary, STATES, rows=40, columns=120) as chat:
        chat.say("go")
        chat.wait("GATED")
        chat.wait("the shape is periodic")
        chat.wait(re.compile(r"acc \d+%"))
        chat.wait("auto>ngram")
        chat.say("/stats")
        chat.wait(re.compile(r"state +GATED"))
        chat.wait("(the shape is periodic)")
        chat.wait(re.compile(r"ngram: drafted \d+"))
        chat.send("q")
        chat.wait_gone("statistics:")
        chat.send("Escape")
        chat.wait("Stopped")


def test_plain_says_what_was_accepted(binary):
    with Chat(binary, MARKED, "--plain", ready="you:") as chat:
        chat.say("go")
        chat.wait("100 percent of drafts accepted")


def test_the_first_difference(binary):
    with Chat(binary, LANES) as chat:
        chat.say("go")
        chat.wait("hello")
        chat.wait("ready")
        chat.say("/ab greedy ngram")
        found = chat.wait(re.compile(r"first difference at token (\d+) \(margin (-?0\.031)\)"))
        assert int(found.group(1)) > 1
        chat.wait("b keep B")
        chat.send("b")
        chat.wait("same words and a end")
        chat.wait("B (ngram) is kept.")
        chat.say("/keep 1")
        chat.wait(re.compile(r"model\n +hello"))


def test_a_check_that_fails(binary):
    script = "check chunks: all equal\ndiffer threads: position 7\nanswer\ntext hello\n"
    with Chat(binary, script, columns=60, ready="ready") as chat:
        chat.say("/selfcheck")
        chat.wait("equal   chunks: all equal")
        chat.wait("DIFFER  threads: position 7")
        chat.wait("The self-check failed.")
        assert "Every way" not in unwrapped(chat)


def test_a_check_can_be_stopped(binary):
    with Chat(binary, None, "--model", TINY, rows=40, columns=100,
              ready="ready") as chat:
        chat.say("/selfcheck")
        chat.wait("checking")
        chat.send("Escape")
        chat.wait("Stopped; what was compared so far is above.")
        chat.wait("ready")
