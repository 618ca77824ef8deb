"""What the tests of the chat share: a program on a terminal with a home of its own.

    with Chat(binary, script) as chat:          script: text for the scripted engine
        chat.say("hello")
        chat.wait("an answer")

This file holds no tests.
"""
import os
import shutil
import tempfile
import termios

from terminal import Terminal

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
GUIDE = os.path.join(ROOT, "config/models/guide.gguf")
F2, F4, F6 = "\x1bOQ", "\x1bOS", "\x1b[17~"
TINY = os.path.join(ROOT, "tests/golden/data/tinyA-q8_0.gguf")

GREETING = "name tiny\nanswer\ntext Hello, I am a script.\n"
# Enough text, slowly, to do something while it comes.
SLOW = "name tiny\nanswer\nrate 40\nrepeat 400\ntext word\\s\n"
THINKING = ("name tiny\nanswer\nrate 60\nthink First I consider the question.\\n\n"
            "think Then I weigh it.\ntext The answer is 42.\n")


class Home:
    """A folder that stands for the person's home; everything the program writes goes there."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="banter-test-")

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name, text):
        path = os.path.join(self.path, name)
        with open(path, "wb") as out:
            out.write(text if isinstance(text, bytes) else text.encode())
        return path

    def environment(self):
        names = {"XDG_CONFIG_HOME": "config", "XDG_STATE_HOME": "state",
                 "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache"}
        variables = {name: os.path.join(self.path, folder) for name, folder in names.items()}
        variables.update(HOME=self.path, XDG_CONFIG_DIRS=os.path.join(self.path, "etc"),
                         BANTER_GUIDE="")   # no built-in model, unless a test names one
        return variables

    def script(self, text):
        return "script:" + self.file("script.txt", text)


class Chat(Terminal):
    """script: for the scripted engine, None: none; home: shared with others, None: its own."""

    def __init__(self, binary, script, *options, home=None, ready=">", environment=None,
                 before=(), **kwargs):
        self.own_home = Home() if home is None else None
        self.home = home or self.own_home
        command = [*before, binary, *options]
        if script is not None:
            command += ["--engine", self.home.script(script)]
        variables = self.home.environment()
        variables.update(environment or {})
        super().__init__(command, environment=variables, **kwargs)
        try:
            if ready is not None:
                self.wait(ready)
        except AssertionError:
            self.close()
            raise

    def say(self, text):
        self.send(text, "Enter")

    def close(self):
        super().close()
        if self.own_home is not None:
            self.own_home.__exit__()


def fresh_stty():
    """The settings of a terminal that nobody has touched."""
    master, slave = os.openpty()
    try:
        return termios.tcgetattr(slave)
    finally:
        os.close(master)
        os.close(slave)


def unwrapped(chat):
    """The screen's text with its rows joined, for texts that wrap anywhere."""
    return "".join(chat.text.split())
