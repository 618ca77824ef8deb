"""Talking: send, stream, stop, ask again, queue, commands."""
import re

from chat_support import Chat, GREETING, SLOW, THINKING

THOUGHT = re.compile(r"thought for \d+\.\d s, \d+ tokens?")


def test_first_conversation(binary):
    with Chat(binary, GREETING, "--color", "never") as chat:
        assert chat.alternate
        chat.say("good morning")
        chat.wait("Hello, I am a script.")
        assert "good morning" in chat.text and "tiny" in chat.text
        chat.send("C-d")
        assert chat.finish() == 0
        # The last exchange stays in the normal screen.
        assert not chat.alternate
        assert "you: good morning" in chat.text and "model: Hello, I am a script." in chat.text


def test_nothing_is_left_when_not_wanted(binary):
    with Chat(binary, GREETING, "--no-leave-transcript") as chat:
        chat.say("good morning")
        chat.wait("Hello, I am a script.")
        chat.send("C-d")
        assert chat.finish() == 0
        assert "Hello" not in chat.text


def test_answers_stream(binary):
    with Chat(binary, "answer\nrate 30\ntext first words\ndelay 60000\ntext last words\n") as chat:
        chat.say("go")
        chat.wait("first words")
        assert "last words" not in chat.text
        chat.send("C-c")
        chat.wait("Stopped; the answer so far is kept.")


def test_thinking_folds_and_unfolds(binary):
    with Chat(binary, THINKING) as chat:
        chat.say("what is it?")
        chat.wait("First I consider the question.")
        chat.wait(THOUGHT)
        chat.wait("The answer is 42.")
        chat.wait_gone("First I consider")
        chat.send("M-t")
        chat.wait("Then I weigh it.")
        chat.send("M-t")
        chat.wait_gone("Then I weigh it.")


def test_stop_in_thinking(binary):
    script = "answer\nrate 20\nthink I wonder\nrepeat 400\nthink on and on\\s\ntext never\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait("I wonder")
        chat.send("Escape")
        chat.wait("Stopped while thinking; the answer is empty.")
        assert "I wonder" in chat.text and "never" not in chat.text
        # It is history all the same: the next prompt holds the turn.
        chat.say("/prompt next")
        chat.wait("user: next")
        assert re.search(r"user: go\s+assistant:\s+user: next", chat.text)


def test_stop_in_the_answer(binary):
    with Chat(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("word word")
        chat.send("Escape")
        chat.wait("Stopped; the answer so far is kept.")
        chat.say("/prompt next")
        chat.wait(re.compile(r"assistant: (word )+"))


def test_stop_while_the_prompt_is_read(binary):
    script = "answer\nprefill 1000 60000\ntext never\nanswer\ntext the second time\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait(re.compile(r"\d+%|/1,?000"))
        chat.send("Escape")
        chat.wait("Stopped before the answer began.")
        # The question is no history now, and /regen asks it again.
        chat.say("/regen")
        chat.wait("the second time")


def test_regen_gives_another_variant(binary):
    script = "answer\ntext the first\nanswer\ntext the second\nanswer\ntext the third\n"
    with Chat(binary, script) as chat:
        chat.say("/regen")
        chat.wait("no message to answer again")
        chat.say("go")
        chat.wait("the first")
        chat.say("/regen")
        chat.wait("the second")
        chat.wait("variant 2")
        assert "the first" not in chat.text
        chat.say("/regen temperature=0.5 top_k=3")
        chat.wait("variant 3")
        chat.say("/regen flavour=9")
        chat.wait('unknown setting "flavour"')
        chat.say("/regen ascii=true")
        chat.wait("cannot change ascii")
        # The history holds the last variant.
        chat.say("/prompt next")
        chat.wait(re.compile(r"assistant: the third\s+user: next"))


def test_a_variant_that_fails_gives_the_earlier_one_back(binary):
    script = "answer\ntext the first\nanswer\nfail the disk is on fire\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait("the first")
        chat.say("/regen")
        chat.wait("the disk is on fire")
        chat.wait("the first")
        chat.say("/prompt next")
        chat.wait(re.compile(r"assistant: the first\s+user: next"))


def test_errors_lose_nothing(binary):
    script = "answer\ntext half an\nfail the disk is on fire\nanswer\ntext well again\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait("the disk is on fire")
        assert "half an" in chat.text
        chat.say("and now")
        chat.wait("well again")
        assert "half an" in chat.text


def test_what_is_typed_meanwhile_waits(binary):
    script = "answer\nrate 20\nrepeat 400\ntext word\\s\nanswer\ntext second answer\nanswer\ntext third answer\n"
    with Chat(binary, script, rows=40) as chat:
        chat.say("one")
        chat.wait("word word")
        chat.say("two")
        chat.wait("(waiting)")
        chat.say("three")
        chat.wait("2 waiting")
        # A notice goes before what waits.
        chat.say("/get temperature")
        chat.wait("temperature -")
        assert chat.text.index("temperature -") < chat.text.index("two")
        chat.send("Escape")
        chat.wait("second answer")
        chat.wait("third answer")
        assert "waiting" not in chat.text, chat.picture()
        text = chat.text
        assert text.index("two") < text.index("second answer") < text.index("three")


def test_messages_wait_for_the_model_to_load(binary):
    with Chat(binary, "load 700\n" + GREETING) as chat:
        chat.say("early bird")
        chat.wait("(waiting)")
        chat.wait("Hello, I am a script.")
        assert "(waiting)" not in chat.text


def test_new_forgets(binary):
    with Chat(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("word word")
        chat.say("/get seed")
        seed = chat.wait(re.compile(r"seed (\d+)")).group(1)
        chat.say("/new")
        chat.wait_gone("word word")
        chat.say("/prompt fresh")
        chat.wait("user: fresh")
        assert "go" not in chat.text.split("user: fresh")[0].split("Text")[1]
        chat.say("/get seed")
        assert chat.wait(re.compile(r"seed (\d+)")).group(1) != seed
        # The old answer's text does not come any more, and the engine answers.
        chat.say("again")
        chat.wait("word word")


def test_settings(binary):
    with Chat(binary, GREETING, "--seed", "77", rows=50) as chat:
        chat.say("/get seed")
        chat.wait("seed 77 (--seed)")
        chat.say("/set seed 78")
        chat.wait("seed is 78")
        chat.say("/get seed")
        chat.wait("seed 78 (/set)")
        chat.say("/set threads 2")
        chat.wait("counts from the start of the program")
        chat.say("/set temperature cold")
        chat.wait('"temperature" must be a number')
        chat.say("/set tempersture 1")
        chat.wait('did you mean "temperature"')
        chat.say("/think 99")
        chat.wait("Thinking: on, at most 99 tokens.")
        chat.say("/think off")
        chat.wait("Thinking: off.")
        chat.say("/system Answer in verse.")
        chat.wait("The system prompt is set.")
        chat.say("/prompt hi")
        chat.wait("system: Answer in verse.")
        chat.say("/system off")
        chat.wait("The system prompt is removed.")


def test_help(binary):
    with Chat(binary, GREETING, rows=40) as chat:
        chat.say("/help")
        chat.wait("begin another conversation")
        chat.say("/help regen")
        chat.wait("temperature=0.2")
        chat.say("/help top_k")
        chat.wait("Flag: --top-k.")
        chat.say("/help keys")
        chat.wait("Alt-Enter")
        chat.say("/help quantum")
        chat.wait('no help about "quantum"')


def test_a_full_context_is_told(binary):
    script = "context 40\nanswer\nrepeat 100\ntext word\n"
    with Chat(binary, script) as chat:
        chat.say("go")
        chat.wait("The context is full (40 tokens).")
        chat.say("more")
        chat.wait("the context has room for 40")


def test_scripted_keys(binary):
    with Chat(binary, GREETING, ready=None) as nothing:
        keys = nothing.home.file("keys", "hello\rand again\r")
        with Chat(binary, GREETING, "--keys", keys, ready=None) as chat:
            assert chat.finish() == 0
            assert "you: and again" in chat.text and "model: Hello, I am a script." in chat.text
