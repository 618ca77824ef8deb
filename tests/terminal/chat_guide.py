"""The chat with the model in the box, for which a golden model stands in."""
import os
import shutil

from chat_support import Chat, Home, TINY

# The stand-in has a template of its own, which is not what is tested here.
QUIET = ("--template", "chatml", "--max-tokens", "12")


class Box(Home):
    def __init__(self, n_models=0):
        super().__init__()
        self.guide = os.path.join(self.path, "guide.gguf")
        self.models = os.path.join(self.path, "models")
        shutil.copy(TINY, self.guide)
        os.mkdir(self.models)
        for number in range(n_models):
            shutil.copy(TINY, os.path.join(self.models, "real%d.gguf" % number))

    def chat(self, binary, *options, **more):
        more = {"ready": "ready", "cwd": "/", **more}
        environment = {"BANTER_GUIDE": self.guide, "BANTER_MODELS": self.models,
                       **more.pop("environment", {})}
        return Chat(binary, None, *QUIET, *options, home=self, environment=environment, **more)


def input_is_there(chat, rows):
    return chat.row(rows - 1).startswith(">") and "ready" in chat.text


def test_first_words(binary):
    with Box(n_models=5) as box:
        with box.chat(binary) as chat:
            chat.wait("I am guide, a small model that comes with banter.")
            chat.wait('"banter models" lists 5 files.')
            assert "small built-in model" in chat.row(0), chat.picture()
            for text in ("banter --model FILE.gguf", "make chat MODEL=FILE.gguf", "real2.gguf"):
                assert text in chat.text, chat.picture()
            assert "real3.gguf" not in chat.text and "guide.gguf" not in chat.text
            assert input_is_there(chat, 24), chat.picture()
            chat.say("hello")
            chat.wait("t/s")
            chat.send("C-d")
            assert chat.finish() == 0
        with box.chat(binary, rows=12, columns=40) as chat:
            chat.wait("lists 5 files.")
            # All of it, without the names of files.
            assert "I am guide" in chat.text and "real0" not in chat.text, chat.picture()
            assert input_is_there(chat, 12), chat.picture()
            chat.send("C-d")
            assert chat.finish() == 0


def test_without_other_models(binary):
    with Box() as box, box.chat(binary, "--model", "guide") as chat:
        chat.wait("make chat MODEL=FILE.gguf")
        assert "Found" not in chat.text and "lists" not in chat.text.replace("lists commands", "")
        assert "small built-in model" in chat.row(0), chat.picture()


def test_what_waits_is_told_before_what_it_is(binary):
    # The greedy answer to this message is 684 tokens long, seconds of work at this level.
    with Box() as box, box.chat(binary, "--temperature", "0", "--max-tokens", "0",
                                "--cpu", "reference", "--threads", "1") as chat:
        chat.say("e")
        chat.wait("answering")
        chat.say("more")
        chat.wait("1 waiting")
        assert "small built-in model" not in chat.row(0), chat.picture()
        chat.say("/new")
        chat.wait(lambda terminal: "small built-in model" in terminal.row(0))
        chat.send("C-d")
        assert chat.finish() == 0


def test_a_named_model_is_opened_as_ever(binary):
    with Box(n_models=1) as box:
        real = os.path.join(box.models, "real0.gguf")
        with box.chat(binary, "--model", real) as chat:
            chat.wait("Type a message and press Enter.")
            assert "built-in" not in chat.text, chat.picture()
        with box.chat(binary, "--model", "missing.gguf", ready="no model") as chat:
            chat.wait("missing.gguf")
            assert "built-in" not in chat.text and "guide" not in chat.text, chat.picture()
            chat.send("C-d")
            assert chat.finish() == 3


def test_a_damaged_one_is_told(binary):
    with Box() as box:
        os.truncate(box.guide, 100000)
        with box.chat(binary, ready="no model") as chat:
            chat.wait("guide.gguf")
            chat.send("C-d")
            assert chat.finish() == 65


def test_plain(binary):
    with Box(n_models=1) as box, box.chat(binary, "--plain", ready="I am guide") as chat:
        chat.wait("real0.gguf")
        chat.say("hello")
        chat.wait("first after")
        chat.say("/quit")
        assert chat.finish() == 0
