"""The chat with a real, tiny model of random weights, and with files that are no model."""
import os
import re
import shutil
import subprocess

from chat_support import Chat, Home, TINY, fresh_stty, unwrapped

REPLACEMENT = "\ufffd"


def generate(binary, home, ids, form, *options):
    done = subprocess.run([binary, "generate", "--model", TINY, "--tokens", ids, "--output", form,
                           *options], env=dict(os.environ, **home.environment()), check=True,
                          stdout=subprocess.PIPE)
    return done.stdout.decode()


def prompt_ids(chat, command="/prompt"):
    shown = chat.text.count("Ids:")
    chat.say(command)
    chat.wait(lambda terminal: terminal.text.count("Ids:") > shown)
    chat.settle(0.05)
    # The block stands above the rule of the status line, or above an answer that came after it.
    block = re.sub(r"\s", "", chat.text.rpartition("Ids:")[2].partition("\u2500")[0])
    return re.match("[0-9,]*", block).group()


def test_first_conversation(binary):
    for rows, columns in ((24, 80), (12, 40)):
        with Chat(binary, None, "--model", TINY, "--seed", "7", "--max-tokens", "400", rows=rows, columns=columns,
                  ready="ready") as chat:
            chat.say("hello")
            chat.wait(re.compile(r"t/s"))
            chat.wait("ready")
            chat.say("and again")
            chat.wait(re.compile(r"ctx [1-9]" if columns >= 80 else "t/s"))
            chat.send("C-d")
            assert chat.finish() == 0
            assert "you: and again" in chat.text


def test_stop_and_ask_again(binary):
    # The greedy answer to this message is 684 tokens long, seconds of work at this level.
    with Chat(binary, None, "--model", TINY, "--temperature", "0", "--cpu", "reference",
              "--threads", "1", ready="ready") as chat:
        for command in ("e", "/regen"):
            chat.say(command)
            chat.wait("answering")
            chat.send("C-c")
            chat.wait("Stopped; the answer so far is kept.")
            chat.wait("ready")
        chat.say("/new")
        chat.wait_gone("Stopped")
        chat.send("C-d")
        assert chat.finish() == 0


def test_answers_are_those_of_generate(binary):
    """What is typed on the screen gives the tokens that the engine's plain door gives."""
    with Home() as home:
        for settings in (["--temperature", "0"], ["--temperature", "1", "--seed", "7"]):
            options = ["--max-tokens", "24", *settings]
            with Chat(binary, None, "--model", TINY, *options, rows=60, columns=100, home=home,
                      ready="ready") as chat:
                for message in ("hello", "what is it?", "tell me more"):
                    chat.say("/new")
                    chat.wait_gone("Ids:")
                    chat.say(message)
                    chat.wait(re.compile("reached max_tokens|ready .*[\\d,.]+ ?t/s"))
                    ids = prompt_ids(chat)
                    answer = chat.text.partition(" model\n")[2].partition("\n\n -")[0]
                    expected = generate(binary, home, ids, "text", *options)
                    assert re.sub(r"\s", "", expected) == re.sub(r"\s", "", answer), (
                        settings, message, ids, expected, chat.picture())


def test_history_keeps_the_generated_ids(binary):
    options = ["--temperature", "0", "--max-tokens", "6"]
    found = 0
    with Home() as home, Chat(binary, None, "--model", TINY, *options, rows=60, columns=100,
                              home=home, ready="ready") as chat:
        for number in range(12):
            message = "message %d" % number
            chat.say("/new")
            chat.wait_gone("Ids:")
            chat.say(message)
            chat.wait(re.compile("reached max_tokens|ready .*[\\d,.]+ ?t/s"))
            first = prompt_ids(chat)
            generated = generate(binary, home, first, "ids", *options).strip()
            # An answer of broken UTF-8 is repaired text: its ids cannot be the model's own.
            text = generate(binary, home, first, "text", *options)
            if REPLACEMENT in text or not text.strip() or text != text.lstrip("\n"):
                continue
            ids = prompt_ids(chat, "/prompt next")
            assert ids.startswith(first + "," + generated), (message, ids, first, generated)
            found += 1
    assert found > 0


def test_no_model(binary):
    with Home() as home:
        folder = os.path.join(home.path, "models")
        os.mkdir(folder)
        shutil.copy(TINY, folder)
        with Chat(binary, None, home=home, rows=30, columns=100, ready="no model",
                  environment={"BANTER_MODELS": folder}, cwd=home.path) as chat:
            chat.wait("No model is open yet.")
            chat.wait("models/tinyA-q8_0.gguf")
            chat.wait("banter --model FILE.gguf")
            chat.say("hello?")
            chat.wait("There is no model to answer.")
            chat.say("/info")
            chat.wait("There is no model.")
            chat.say("/regen")
            chat.wait("no message to answer again")
            chat.send("C-d")
            assert chat.finish() == 0


def test_damaged_file(binary):
    with Home() as home:
        with open(TINY, "rb") as model:
            half = home.file("half.gguf", model.read(1000000))
        with Chat(binary, None, "--model", half, home=home, ready="no model") as chat:
            chat.wait(lambda terminal: "probablyincomplete" in unwrapped(terminal))
            chat.say("hello?")
            chat.wait("The model could not be opened")
            chat.send("C-d")
            assert chat.finish() == 65
        with Chat(binary, None, "--model", "nothing-here.gguf", home=home,
                  ready="no model") as chat:
            chat.wait("nothing-here.gguf")
            chat.send("C-d")
            assert chat.finish() == 3
        text = home.file("text.gguf", "this is no model\n" * 100)
        with Chat(binary, None, "--model", text, home=home, ready="no model") as chat:
            chat.wait("text.gguf")
            chat.send("C-d")
            assert chat.finish() == 65


def test_a_file_that_is_cut_while_in_use(binary):
    """The reference level reads the mapped file all the time."""
    with Home() as home:
        copy = os.path.join(home.path, "copy.gguf")
        shutil.copy(TINY, copy)
        with Chat(binary, None, "--model", copy, "--cpu", "reference", "--seed", "7",
                  home=home, ready="ready") as chat:
            before = fresh_stty()
            chat.say("hello")
            chat.wait(re.compile(r"(ready|answering) .*[\d,.]+ ?t/s"))
            os.truncate(copy, 900000)
            try:
                chat.say("go on")
            except OSError:
                pass
            assert chat.finish() == 74, chat.picture()
            assert "the model file can no longer be read" in " ".join(chat.text.split())
            assert chat.stty() == before and not chat.alternate
