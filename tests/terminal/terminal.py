"""A program on a pseudo-terminal, and the screen it draws.

    with Terminal([binary, "--model", path], rows=24, columns=80) as terminal:
        terminal.wait("> ")                 text, compiled pattern or function of the terminal
        terminal.send("hello", "Enter")     text and names of keys
        terminal.wait("answer", seconds=5)  fails with a picture of the screen
        assert terminal.row(-1).startswith("> ")
        terminal.send("C-d")
        assert terminal.finish() == 0       exit status; negative: ended by that signal

The screen changes by whole frames (synchronized updates), as a person's terminal shows them.
The bytes the program wrote are in terminal.raw.  terminal.stty() are the settings of the line,
to compare before and after.  Nothing here sleeps for a fixed time: wait() is woken by output.
This file holds no tests.
"""
import copy
import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import threading
import time

import pyte
import pyte.modes
import pyte.screens
import pyte.streams

# Sanitizer builds and busy machines are slow; a wait that succeeds costs nothing.
PATIENCE = float(os.environ.get("BANTER_TEST_PATIENCE", "20"))

KEYS = {
    "Enter": "\r", "Tab": "\t", "Escape": "\x1b", "Backspace": "\x7f", "Space": " ",
    "Up": "\x1b[A", "Down": "\x1b[B", "Right": "\x1b[C", "Left": "\x1b[D",
    "Home": "\x1b[H", "End": "\x1b[F", "PageUp": "\x1b[5~", "PageDown": "\x1b[6~",
    "Delete": "\x1b[3~", "Insert": "\x1b[2~",
    "C-_": "\x1f", "C-Space": "\0",
    "C-Up": "\x1b[1;5A", "C-Down": "\x1b[1;5B", "S-Tab": "\x1b[Z",
    "S-Enter": "\x1b[13;2u", "M-Enter": "\x1b\r",
}
KEYS.update({"C-" + chr(c): chr(c - 96) for c in range(ord("a"), ord("z") + 1)})
KEYS.update({"M-" + chr(c): "\x1b" + chr(c) for c in range(33, 127)})
PASTE_BEGIN, PASTE_END = "\x1b[200~", "\x1b[201~"


class Screen(pyte.Screen):
    """pyte's screen plus what it lacks: REP, SU and SD, and the alternate screen kept apart."""

    def __init__(self, columns, rows):
        super().__init__(columns, rows)
        self.normal = None
        self.last_drawn = " "

    def draw(self, data):
        super().draw(data)
        self.last_drawn = data[-1:] or self.last_drawn

    def repeat_last(self, count=None):
        super().draw(self.last_drawn * (count or 1))

    def scroll_lines(self, count, row, step):
        saved = self.cursor.y
        self.cursor.y = row
        for _ in range(count or 1):
            step()
        self.cursor.y = saved

    def scroll_up(self, count=None):
        self.scroll_lines(count, (self.margins or (0, self.lines - 1))[1], self.index)

    def scroll_down(self, count=None):
        self.scroll_lines(count, (self.margins or (0, self.lines - 1))[0], self.reverse_index)

    def set_mode(self, *modes, **kwargs):
        if kwargs.get("private") and 1049 in modes and not self.alternate:
            self.normal = (copy.deepcopy(self.buffer), copy.copy(self.cursor))
            self.erase_in_display(2)
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes, **kwargs):
        if kwargs.get("private") and 1049 in modes and self.normal is not None:
            self.buffer, cursor = self.normal
            cursor.hidden = self.cursor.hidden
            self.cursor, self.normal = cursor, None
        super().reset_mode(*modes, **kwargs)

    def mode_is_on(self, number):
        return number << 5 in self.mode

    @property
    def alternate(self):
        return self.mode_is_on(1049)


class Stream(pyte.ByteStream):
    csi = dict(pyte.streams.Stream.csi, b="repeat_last", S="scroll_up", T="scroll_down")
    events = pyte.streams.Stream.events | {"repeat_last", "scroll_up", "scroll_down"}


FRAME_BEGIN, FRAME_END = b"\x1b[?2026h", b"\x1b[?2026l"


def whole_frames(data):
    """Bytes to show now and bytes to hold: a synchronized update is shown when it is complete."""
    begin = data.rfind(FRAME_BEGIN)
    if begin > data.rfind(FRAME_END):
        return data[:begin], data[begin:]
    for length in range(len(FRAME_BEGIN) - 1, 0, -1):
        if data.endswith(FRAME_BEGIN[:length]):
            return data[:-length], data[-length:]
    return data, b""


class Terminal:
    def __init__(self, command, rows=24, columns=80, environment=None, cwd=None):
        """environment: added to a small fixed one (None as a value removes a name)."""
        self.command = [str(word) for word in command]
        self.screen = Screen(columns, rows)
        self.stream = Stream(self.screen)
        self.raw = bytearray()
        self.held = b""
        self.status = None
        self.changed = threading.Condition()
        self.closed = False
        variables = {name: os.environ[name] for name in
                     ("PATH", "HOME", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_PRELOAD")
                     if name in os.environ}
        variables.update(TERM="xterm-256color", LANG="C.UTF-8", INPUTRC="/dev/null")
        for name, value in (environment or {}).items():
            if value is None:
                variables.pop(name, None)
            else:
                variables[name] = str(value)
        # A pipe holds the child until the window size is set.
        gate_read, gate_write = os.pipe()
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.close(gate_write)
            os.read(gate_read, 1)
            os.close(gate_read)
            try:
                if cwd:
                    os.chdir(cwd)
                os.execvpe(self.command[0], self.command, variables)
            finally:
                os._exit(127)
        os.close(gate_read)
        self.set_size(rows, columns)
        os.close(gate_write)
        self.reader = threading.Thread(target=self.read_all, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def read_all(self):
        while True:
            try:
                data = os.read(self.fd, 65536)
            except OSError:
                data = b""
            with self.changed:
                if not data:
                    self.stream.feed(self.held)
                    self.closed = True
                    self.changed.notify_all()
                    return
                self.raw += data
                shown, self.held = whole_frames(self.held + data)
                self.stream.feed(shown)
                self.changed.notify_all()

    # ---- what is on the screen ---------------------------------------------------------------

    @property
    def rows(self):
        with self.changed:
            return [line.rstrip() for line in self.screen.display]

    def row(self, number):
        return self.rows[number]

    @property
    def text(self):
        return "\n".join(self.rows)

    @property
    def cursor(self):
        """(row, column) from 0, or None while it is hidden."""
        with self.changed:
            cursor = self.screen.cursor
            return None if cursor.hidden else (cursor.y, cursor.x)

    @property
    def alternate(self):
        return self.screen.alternate

    @property
    def paste_mode(self):
        return self.screen.mode_is_on(2004)

    def cell(self, row, column):
        """pyte's Char: .data .fg .bg .bold .italics .underscore .reverse"""
        with self.changed:
            return self.screen.buffer[row][column]

    def picture(self):
        rows = self.rows
        width = self.screen.columns
        frame = "+" + "-" * width + "+"
        lines = [frame] + ["|" + row for row in rows] + [frame]
        lines.append("cursor %s, last bytes %r" % (self.cursor, bytes(self.raw[-160:])))
        return "\n".join(lines)

    # ---- waiting -----------------------------------------------------------------------------

    def matches(self, wanted):
        if callable(wanted):
            return wanted(self)
        if isinstance(wanted, re.Pattern):
            return wanted.search(self.text)
        with self.changed: # blanks at the ends of rows count here
            return wanted in "\n".join(self.screen.display)

    def wait(self, wanted, seconds=PATIENCE):
        """Wait until text, a pattern or a condition holds; returns what matched."""
        return self.wait_for(lambda: self.matches(wanted), seconds, wanted)

    def wait_gone(self, unwanted, seconds=PATIENCE):
        return self.wait_for(lambda: not self.matches(unwanted), seconds,
                             "no " + repr(unwanted))

    def wait_raw(self, wanted, seconds=PATIENCE, start=0):
        """Wait until these bytes were written at or after `start`; returns where."""
        def found():
            where = self.raw.find(wanted, start)
            return where + 1 if where >= 0 else 0
        return self.wait_for(found, seconds, wanted) - 1

    def wait_for(self, condition, seconds, name):
        end = time.monotonic() + seconds
        with self.changed:
            while True:
                result = condition()
                if result:
                    return result
                left = end - time.monotonic()
                if left <= 0 or self.closed:
                    why = "the program ended" if self.closed else "after %.1f s" % seconds
                    raise AssertionError("waiting for %r: %s\n%s" % (name, why, self.picture()))
                self.changed.wait(min(left, 0.25))

    def settle(self, quiet=0.15, seconds=PATIENCE):
        """Wait until nothing was written for `quiet` seconds: to check what did not happen."""
        end = time.monotonic() + seconds
        with self.changed:
            while time.monotonic() < end:
                size = len(self.raw)
                self.changed.wait(quiet)
                if len(self.raw) == size:
                    return
        raise AssertionError("the screen never rests\n" + self.picture())

    # ---- acting on it ------------------------------------------------------------------------

    def send(self, *parts):
        """Names in KEYS are keys; other text and bytes go as they are."""
        for part in parts:
            data = part if isinstance(part, bytes) else KEYS.get(part, part).encode()
            while data:
                select.select([], [self.fd], [], PATIENCE)
                data = data[os.write(self.fd, data[:512]):]

    def paste(self, text):
        self.send(PASTE_BEGIN.encode() + (text if isinstance(text, bytes) else text.encode())
                  + PASTE_END.encode())

    def set_size(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, rows, columns):
        """The kernel sends SIGWINCH to the foreground process group."""
        with self.changed:
            self.screen.resize(rows, columns)
            self.set_size(rows, columns)

    def stty(self):
        """Settings of the line, comparable."""
        return termios.tcgetattr(self.fd)

    def signal(self, number):
        os.kill(self.pid, number)

    def processor_seconds(self):
        """Processor time used so far, of the program itself."""
        with open("/proc/%d/stat" % self.pid, encoding="utf-8") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def finish(self, seconds=PATIENCE):
        """Wait for the end; exit status, or minus the signal's number."""
        end = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() > end:
                raise AssertionError("still running after %.1f s\n%s"
                                     % (seconds, self.picture()))
            else:
                time.sleep(0.005)
        self.reader.join(1)
        return self.status

    def close(self):
        if self.fd < 0:
            return
        if self.status is None:
            for number in (signal.SIGHUP, signal.SIGKILL):
                try:
                    os.kill(self.pid, number)
                    os.kill(self.pid, signal.SIGCONT)
                except ProcessLookupError:
                    break
                try:
                    self.finish(1)
                    break
                except AssertionError:
                    continue
        os.close(self.fd)
        self.fd = -1
