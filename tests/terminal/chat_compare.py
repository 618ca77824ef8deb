"""Two answers side by side, several in one go, and the self-check."""
import re

from chat_support import Chat, F6, GUIDE, SLOW

QUESTION = "how do I choose a system prompt?"
GREEDY = ("--model", GUIDE, "--temperature", "0")


def asked(binary, *options, question=QUESTION, **more):
    """A chat that has answered."""
    more.setdefault("ready", "ready")
    chat = Chat(binary, None, *options, **more)
    chat.say(question)
    chat.wait("tokens per second" if "--plain" in options else re.compile("ready .*[\\d,.]+ ?t/s"))
    return chat


def test_ab_and_keep(binary):
    for rows, columns in ((24, 80), (40, 120), (12, 40)):
        with asked(binary, *GREEDY, rows=rows, columns=columns) as chat:
            chat.say("/ab greedy ngram")
            found = chat.wait(re.compile(r"identical: (\d+)/(\d+) tokens"))
            assert found.group(1) == found.group(2) != "0", chat.picture()
            assert "A greedy" in chat.text and "B ngram" in chat.text, chat.picture()
            if columns >= 80:
                assert re.search(r"A greedy.*\u2502.*B ngram", chat.text), chat.picture()
                assert re.search(r"decode t/s +[\d.]+ +[\d.]+ +x[\d.]+", chat.text)
            else:
                a, b = (next(i for i, row in enumerate(chat.rows) if name in row)
                        for name in ("A greedy", "B ngram"))
                assert b > a, chat.picture()
            chat.wait("a keep A")
            chat.send("a")
            chat.wait("A (greedy) is kept.")
            chat.wait("identical: ")
            chat.say("/get policy")
            chat.wait("policy auto (default)")
            chat.send("C-d")
            assert chat.finish() == 0


def test_rounds_again_and_leave(binary):
    with asked(binary, *GREEDY, rows=30) as chat:
        before = chat.rows[:8]
        chat.send(F6)           # greedy against the present policy
        chat.wait("1 round over")
        chat.wait("B auto")
        chat.send("+")
        chat.wait("2 rounds over")
        chat.wait("+-")
        chat.send("r")
        chat.wait("1 round over")
        chat.send("q")
        chat.wait_gone("keep A")
        chat.settle(0.1)
        assert chat.rows[:8] == before, chat.picture()
        chat.say("/ab greedy mtp 3")
        chat.wait("3 rounds over")
        chat.send("q")
        chat.wait_gone("keep A")
        chat.say("/ab greedy mtp together")
        chat.wait("policies are not used")
        chat.wait("identical: ")
        chat.wait("b keep B")
        chat.send("b")
        chat.wait("B (mtp) is kept.")
        chat.say("/ab greedy")
        chat.wait("/ab takes two policies")
        chat.say("/ab greedy nonsense")
        chat.wait("nonsense")


def test_a_stop_and_what_waits(binary):
    """A message that was sent before is answered when the two answers are left."""
    with Chat(binary, SLOW) as chat:
        chat.say("/ab")
        chat.wait("no message to answer again")
        chat.say("go")
        chat.wait("word")
        chat.say("/ab greedy ngram")
        chat.wait("an answer is running")
        chat.send("Escape")
        chat.wait("Stopped")
        chat.say("/ab greedy ngram")
        chat.wait("A greedy")
        chat.send("Escape")
        chat.wait("a keep A")
        chat.send("q")
        chat.wait_gone("keep A")
        chat.send("C-d")
        assert chat.finish() == 0


def test_blind(binary):
    with asked(binary, *GREEDY, "--seed", "5") as chat:
        chat.say("/abx temperature=0 temperature=1.5")
        chat.wait("1 keep 1")
        assert "temperature=" not in chat.text, chat.picture()
        chat.send("2")
        chat.wait("you chose temperature=")
        chat.wait(re.compile(r"So far: .*1 of 1"))
        chat.wait_gone("keep 1")
        chat.say("/abx")
        chat.wait("1 keep 1")
        chat.send("1")
        chat.wait("the present settings")
        chat.say("/abx threads=2 temperature=1")
        chat.wait("threads is no sampling setting")


def test_best_and_keep(binary):
    with asked(binary, "--model", GUIDE, "--temperature", "1.5", "--seed", "3", rows=40) as chat:
        chat.say("/best 3")
        chat.wait("variant 3 of 3")
        chat.wait("The last one counts; /keep N chooses another.")
        variants = [part.partition("\n\n")[0].split("\n", 1)[1] for part in
                    chat.text.split(" variant ")[1:]]
        assert len(variants) == 3 and all(variants)
        chat.say("/keep 2")
        chat.wait("Answer 2 counts from now on.")
        shown = chat.text.partition("model, variant 3\n")[2]
        assert shown.startswith(variants[1]), (variants, chat.picture())
        chat.say("/keep 0")
        chat.wait("Answer 0 counts")
        chat.say("/keep 9")
        chat.wait("there is no answer 9")
        chat.say("/best 99")
        chat.wait("from 2 to 32")


def test_plain(binary):
    with asked(binary, *GREEDY, "--plain", ready="you:", rows=60, columns=100) as chat:
        chat.say("/ab greedy mtp 2")
        chat.wait("A (greedy): ")
        chat.wait("B (mtp): ")
        chat.wait(re.compile(r"identical: (\d+)/\1 tokens"))
        chat.wait("/keep A or /keep B keeps that answer.")
        chat.say("/keep B")
        chat.wait("B (mtp) is kept.")
        chat.say("/best 2")
        chat.wait("variant 1 of 2: ")
        chat.wait("variant 2 of 2: ")
        chat.say("/keep 1")
        chat.wait("Answer 1 counts")
        chat.say("/abx")
        chat.wait("answer 1: ")
        chat.wait("answer 2: ")
        chat.say("/keep 2")
        chat.wait("you chose")
        chat.say("/keep Z")
        chat.wait("there is no answer Z")
        chat.say("/quit")
        assert chat.finish() == 0


def test_selfcheck(binary):
    with asked(binary, *GREEDY, rows=40, columns=100) as chat:
        chat.say("/selfcheck")
        chat.wait(re.compile(r"equal  .*chunks"), seconds=60)
        chat.wait("Every way of computing gives the same.", seconds=60)
        assert "DIFFER" not in chat.text
        chat.say("and then?")
        chat.wait(re.compile("ready .*[\\d,.]+ ?t/s"))


def test_selfcheck_without_a_model(binary):
    with Chat(binary, None, ready="no model") as chat:
        chat.say("/selfcheck")
        chat.wait("there is no model to answer")
        chat.say("/best")
        chat.wait("no message to answer again")
        chat.say("/keep 1")
        chat.wait("there is no answer to keep")
