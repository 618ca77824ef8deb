"""Stopping, ending, crashing: the terminal is as it was; idle costs nothing."""
import os
import re
import shlex
import signal
import time
import unittest

from chat_support import Chat, GREETING, ROOT, SLOW, fresh_stty
from terminal import Terminal


class Shell(Terminal):
    """An interactive shell with job control, from which a program is started and comes back to."""

    def __init__(self, **kwargs):
        super().__init__(["/bin/sh", "-i"], **kwargs)
        self.send("PS1='$ '; PS2=; set -m; clear", "Enter")
        self.wait(lambda shell: shell.rows[0] == "$")


def at_prompt(shell):
    return [row for row in shell.rows if row][-1:] == ["$"]


def shell_command(chat_binary, home, script, *options):
    variables = ["%s=%s" % pair for pair in home.environment().items()]
    words = ["env", *variables, chat_binary, "--engine", home.script(script), *options]
    return " ".join(shlex.quote(word) for word in words)


def in_shell(binary, script, run, **kwargs):
    """run(shell) with the chat in the foreground of a shell."""
    with Chat(binary, GREETING, ready=None) as owner, Shell(cwd=ROOT, **kwargs) as shell:
        before = shell.stty()
        shell.send(shell_command(binary, owner.home, script), "Enter")
        shell.wait(lambda terminal: terminal.alternate)
        shell.wait("tiny")
        run(shell)
        shell.wait(at_prompt)
        return before, shell.stty()


def test_ended_by_a_signal(binary):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGSEGV, signal.SIGABRT,
                   signal.SIGBUS, signal.SIGFPE, signal.SIGILL):
        with Chat(binary, SLOW, ready=None) as chat:
            before = fresh_stty()
            chat.wait("tiny")
            chat.signal(number)
            status = chat.finish()
            # A sanitizer reports a crash and exits in its own way.
            assert status == -number or "Sanitizer" in chat.text, (number, status, chat.picture())
            assert chat.stty() == before, number
            assert not chat.alternate and chat.cursor is not None and not chat.paste_mode, number


def test_ended_while_an_answer_runs(binary):
    for number in (signal.SIGTERM, signal.SIGSEGV):
        with Chat(binary, SLOW, ready=None) as chat:
            before = fresh_stty()
            chat.wait("tiny")
            chat.say("go")
            chat.wait("word word")
            chat.signal(number)
            assert chat.finish() in (-number, 1)
            assert chat.stty() == before and not chat.alternate and not chat.paste_mode


def test_interrupt_signal_stops_the_answer_first(binary):
    with Chat(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("word word")
        chat.signal(signal.SIGINT)
        chat.wait("Stopped; the answer so far is kept.")
        chat.signal(signal.SIGINT)
        assert chat.finish() == -signal.SIGINT


def test_hang_up(binary):
    with Chat(binary, SLOW) as chat:
        chat.say("go")
        chat.wait("word word")
        chat.signal(signal.SIGHUP)
        assert chat.finish() == -signal.SIGHUP


def test_the_terminal_goes_away(binary):
    chat = Chat(binary, SLOW)
    try:
        chat.say("go")
        chat.wait("word word")
        os.close(chat.fd)
        chat.fd = -1
        assert chat.finish() == -signal.SIGHUP
    finally:
        chat.own_home.__exit__()


def test_stop_and_come_back(binary):
    def run(shell):
        shell.send("hello", "C-z")
        shell.wait(re.compile("Stopped|suspended"))
        assert not shell.alternate and not shell.paste_mode
        shell.send("fg", "Enter")
        shell.wait(lambda terminal: terminal.alternate and "hello" in terminal.text)
        shell.send("Enter")
        shell.wait("Hello, I am a script.")
        shell.send("C-d")

    before, after = in_shell(binary, "name tiny\n" + GREETING, run)
    assert before == after


def test_stopped_time_is_not_counted(binary):
    script = "name tiny\nanswer\nrate 50\nrepeat 60\ntext word\n"

    def run(shell):
        shell.send("go", "Enter")
        shell.wait("word")
        started = time.monotonic()
        shell.send("C-z")
        shell.wait(re.compile("Stopped|suspended"))
        time.sleep(2)           # the time itself is the point
        shell.send("fg", "Enter")
        shell.wait(lambda terminal: terminal.alternate)
        # Most of the two seconds is not in it, however slow the machine is.
        rate = shell.wait(re.compile(r"ready .*?([\d.]+) t/s[\s\S]*?60 tok"))
        assert float(rate.group(1)) > 59 / (time.monotonic() - started - 1.2), shell.picture()
        shell.send("C-d")

    in_shell(binary, script, run)


def test_stopped_from_outside(binary):
    script = "name tiny\nanswer\nrate 50\nrepeat 60\ntext word\n"
    with Chat(binary, script, ready="ready") as chat:
        chat.say("go")
        chat.wait("word")
        started = time.monotonic()
        chat.signal(signal.SIGSTOP)
        time.sleep(2)           # the time itself is the point
        chat.signal(signal.SIGCONT)
        rate = chat.wait(re.compile(r"ready .*?([\d.]+) t/s[\s\S]*?60 tok"))
        # Most of the two seconds is not in it, however slow the machine is.
        assert float(rate.group(1)) > 59 / (time.monotonic() - started - 1.2), chat.picture()
        # The terminal was taken again, whoever had it meanwhile.
        assert chat.alternate and chat.paste_mode
        chat.send("C-d")
        assert chat.finish() == 0


def test_stop_under_make(binary):
    build = os.path.relpath(os.path.dirname(binary), ROOT)
    if os.path.isabs(build) or not os.path.exists(os.path.join(ROOT, "Makefile")):
        raise unittest.SkipTest("not in the source tree")
    with Chat(binary, GREETING, ready=None) as owner, Shell(cwd=ROOT, columns=100) as shell:
        script = owner.home.file("make.txt", "name tiny\n" + GREETING)
        shell.send("make -s run -o all BUILD=%s ARGS='--engine script:%s'" % (build, script),
                   "Enter")
        shell.wait(lambda terminal: terminal.alternate, seconds=60)
        shell.send("C-z")
        shell.wait(re.compile("Stopped|suspended"))
        assert not shell.alternate
        shell.send("fg", "Enter")
        shell.wait(lambda terminal: terminal.alternate)
        shell.send("hello", "Enter")
        shell.wait("Hello, I am a script.")
        shell.send("C-d")
        shell.wait(at_prompt)


def test_idle_uses_no_processor(binary):
    with Chat(binary, GREETING) as chat:
        chat.say("hello")
        chat.wait("Hello, I am a script.")
        chat.settle(0.5)
        before, switches = chat.processor_seconds(), context_switches(chat.pid)
        time.sleep(1.5)         # the time itself is the point
        assert chat.processor_seconds() - before <= 0.01
        assert context_switches(chat.pid) - switches <= 2


def context_switches(pid):
    total = 0
    for task in os.listdir("/proc/%d/task" % pid):
        with open("/proc/%d/task/%s/status" % (pid, task), encoding="utf-8") as status:
            total += sum(int(line.split()[1]) for line in status if "ctxt_switches" in line)
    return total


def test_editor(binary):
    editor = "sh -c 'test \"$(cat \"$1\")\" = draft && printf \"two\\nlines\\n\" >\"$1\"' editor"
    with Chat(binary, GREETING, environment={"VISUAL": editor}) as chat:
        chat.send("draft", "C-x", "C-e")
        chat.wait(lambda terminal: "two" in terminal.text and "lines" in terminal.text)
        chat.send("Enter")
        chat.wait("Hello, I am a script.")
    with Chat(binary, GREETING, environment={"VISUAL": "false"}) as chat:
        chat.send("draft", "C-x", "C-e")
        chat.wait("the editor failed")
        assert "draft" in chat.text
