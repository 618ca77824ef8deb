"""The chat in tmux, as a person uses it: a terminal that is not ours judges what it sees."""
import os
import re
import shlex
import shutil
import subprocess
import time
import unittest

from chat_support import GREETING, Home, THINKING
from terminal import PATIENCE


class Tmux:
    """A tmux server of its own with one window that runs a shell."""

    def __init__(self, home, rows, columns):
        if shutil.which("tmux") is None:
            raise unittest.SkipTest("tmux is not installed")
        self.home = home
        self.socket = os.path.join(home.path, "tmux")
        variables = dict(os.environ, **home.environment())
        variables.update(LANG="C.UTF-8", INPUTRC="/dev/null", TERM="xterm-256color", PS1="$ ")
        variables.pop("TMUX", None)
        self.variables = variables
        self.command("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                     "env PS1='$ ' sh -i")
        self.wait(re.compile(r"^\$", re.M))

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.command("kill-server", check=False)

    def command(self, *words, check=True):
        done = subprocess.run(["tmux", "-S", self.socket, *words], env=self.variables,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
                              timeout=PATIENCE)
        text = done.stdout.decode("utf-8", "replace")
        if check and done.returncode != 0:
            raise AssertionError("tmux %s: %s" % (" ".join(words), text))
        return text

    @property
    def text(self):
        return self.command("capture-pane", "-p")

    def flag(self, name):
        return self.command("display-message", "-p", "#{%s}" % name).strip()

    def state(self):
        """What the terminal would be left with."""
        return [self.flag(name) for name in ("alternate_on", "cursor_flag", "mouse_any_flag",
                                             "keypad_flag", "insert_flag", "wrap_flag")]

    def send(self, *keys):
        self.command("send-keys", *keys)

    def type(self, text):
        self.command("send-keys", "-l", text)
        self.command("send-keys", "Enter")

    def wait(self, wanted, gone=False):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            text = self.text
            found = wanted.search(text) if isinstance(wanted, re.Pattern) else wanted in text
            if bool(found) != gone:
                return found
            time.sleep(0.03)    # tmux tells nobody when its screen changes
        raise AssertionError("waiting for %r\n%s" % (wanted, text))

    def start(self, binary, script, *options):
        words = [binary, "--engine", self.home.script(script), *options]
        self.type(" ".join(shlex.quote(word) for word in words))
        self.wait("tiny")


def test_first_conversation(binary):
    for rows, columns in ((24, 80), (12, 40)):
        with Home() as home, Tmux(home, rows, columns) as tmux:
            before = tmux.state()
            tmux.start(binary, GREETING)
            assert tmux.flag("alternate_on") == "1"
            tmux.type("good morning")
            tmux.wait("Hello, I am a script.")
            tmux.send("C-d")
            tmux.wait("model: Hello, I am a script.")
            assert tmux.state() == before


def test_thinking_folds(binary):
    for rows, columns in ((24, 80), (12, 40)):
        with Home() as home, Tmux(home, rows, columns) as tmux:
            tmux.start(binary, THINKING)
            tmux.type("what is it?")
            tmux.wait("First I consider")
            tmux.wait("The answer is 42.")
            tmux.wait("First I consider", gone=True)
            tmux.wait(re.compile(r"thought for"))
            tmux.send("M-t")
            tmux.wait("Then I weigh it.")


def test_suspend_and_resize(binary):
    with Home() as home, Tmux(home, 24, 80) as tmux:
        before = tmux.state()
        tmux.start(binary, GREETING)
        tmux.type("good morning")
        tmux.wait("Hello, I am a script.")
        tmux.send("C-z")
        tmux.wait(re.compile("Stopped|suspended"))
        assert tmux.state() == before
        tmux.command("resize-window", "-x", "60", "-y", "15")
        tmux.type("fg")
        tmux.wait("Hello, I am a script.")
        tmux.command("resize-window", "-x", "100", "-y", "30")
        tmux.type("and again")
        tmux.wait(re.compile(r"and again(.|\n)*Hello"))
        tmux.send("C-d")
        tmux.wait("you: and again")
        assert tmux.state() == before


def test_a_crash_restores(binary):
    with Home() as home, Tmux(home, 24, 80) as tmux:
        tmux.type("cd %s && stty -g >before" % home.path)
        before = tmux.state()
        for name in ("SEGV", "ABRT", "BUS", "TERM"):
            tmux.start(binary, GREETING)
            pid = tmux.command("display-message", "-p", "#{pane_pid}").strip()
            child = subprocess.run(["ps", "-o", "pid=", "--ppid", pid], check=False,
                                   stdout=subprocess.PIPE).stdout.split()[-1].decode()
            subprocess.run(["kill", "-" + name, child], check=True)
            while subprocess.run(["kill", "-0", child], check=False,
                                 stderr=subprocess.DEVNULL).returncode == 0:
                time.sleep(0.03)    # what is typed sooner may go to the dying program
            tmux.type("clear; stty -g | cmp - before && echo sa''me by %s" % name)
            tmux.wait("same by " + name)
            assert tmux.state() == before, name
