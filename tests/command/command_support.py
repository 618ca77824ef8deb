"""Runs banter for tests of the command line.  This file holds no tests."""
import os
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PATIENCE = 60

# The golden models that are part of the source.
GOLDEN = os.path.join(ROOT, "tests", "golden", "data")
TINY_MODEL = "tinyA-q8_0.gguf"


def golden_model(name=TINY_MODEL):
    path = os.path.join(GOLDEN, name)
    if not os.path.exists(path):
        raise unittest.SkipTest("no golden model %s" % name)
    return path


def environment(**more):
    """A small fixed environment with a home of its own; None removes a name."""
    kept = ("PATH", "TMPDIR", "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "LD_PRELOAD")
    variables = {name: os.environ[name] for name in kept if name in os.environ}
    variables.update(HOME="/nonexistent", LANG="C.UTF-8", XDG_CONFIG_DIRS="/nonexistent",
                     BANTER_GUIDE="")   # no built-in model, unless a test names one
    for name, value in more.items():
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = str(value)
    return variables


class Done:
    """What a finished program left."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    @property
    def text(self):
        return self.out.decode("utf-8")

    @property
    def message(self):
        return self.err.decode("utf-8")

    def __repr__(self):
        return "exit status %d\nstdout: %r\nstderr: %r" % (self.code, self.out[-2000:],
                                                           self.err[-2000:])


def run(binary, *arguments, stdin=b"", variables=None, cwd=None):
    done = subprocess.run([binary, *map(str, arguments)], input=stdin, capture_output=True,
                          env=environment(**(variables or {})), timeout=PATIENCE, cwd=cwd,
                          check=False)
    return Done(done.returncode, done.stdout, done.stderr)


def expect(done, code=0, out=None, err=None):
    """Exit status, all of standard output, a part of standard error."""
    assert done.code == code, done
    if out is not None:
        assert done.text == out, done
    if err is not None:
        assert err in done.message, done
    return done


def script_file(text):
    """A script for --engine; the caller keeps the object while the path is used."""
    file = tempfile.NamedTemporaryFile("w", suffix=".script", encoding="utf-8")
    file.write(text)
    file.flush()
    return file
