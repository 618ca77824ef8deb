#!/usr/bin/env python3
"""Run all tests and count them.

C tests (tests/unit/*.c) are cmocka programs that write JUnit XML.  Python tests are the functions
test_*() of tests/terminal/*.py and tests/golden/*.py; a function passes when it returns, skips by
raising unittest.SkipTest with the reason, and fails by any other exception.  The first argument
of a Python test, when it takes one, is the path of the banter binary.

usage: run.py [--list] [PATTERN ...]     a test runs when a pattern is part of "file.test"
Environment: BUILD (object tree), BANTER_TEST_FILTER (patterns).
The last line is "N passed, N failed, N skipped"; the exit status is 1 when a test failed or none ran.
"""
import glob
import importlib.util
import inspect
import os
import re
import signal
import subprocess
import sys
import time
import traceback
import unittest
import xml.etree.ElementTree as ElementTree

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build/release"))
BINARY = os.path.join(BUILD, "banter")
PROGRAM_SECONDS = 540


class Results:
    def __init__(self):
        self.rows = []

    def add(self, name, state, seconds, message=""):
        self.rows.append((name, state, seconds, message))
        line = "%-4s %6.2f s  %s" % (state, seconds, name)
        if message:
            line += "\n" + "\n".join("       " + text for text in message.strip().splitlines()[:60])
        print(line, flush=True)

    def count(self, state):
        return sum(1 for row in self.rows if row[1] == state)


def wanted(name, patterns):
    return not patterns or any(pattern in name for pattern in patterns)


def run_program(program, patterns, results):
    """One cmocka program; a crash or a hang is one failed test of the program's name."""
    base = os.path.basename(program)
    if patterns and not any(p.split(".")[0] in base or base in p for p in patterns):
        return
    report = program + ".xml"
    if os.path.exists(report):
        os.remove(report)
    environment = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="XML", CMOCKA_XML_FILE=report,
                       BANTER_TEST_BINARY=BINARY)
    started = time.monotonic()
    try:
        done = subprocess.run([program], cwd=ROOT, env=environment, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=PROGRAM_SECONDS, check=False)
        output, code = done.stdout.decode("utf-8", "replace"), done.returncode
    except subprocess.TimeoutExpired as stop:
        output, code = (stop.stdout or b"").decode("utf-8", "replace") + "\ntimed out", 1
    seconds = time.monotonic() - started
    failed = 0
    if os.path.exists(report):
        text = re.sub("[^\\x09\\x0a\\x0d\\x20-\\ud7ff\\ue000-\\ufffd]", "?",
                      open(report, encoding="utf-8", errors="replace").read())
        try:
            for case in ElementTree.fromstring(text).iter("testcase"):
                name = base + "." + case.get("name", "?")
                problem = case.find("failure")
                if problem is None:
                    problem = case.find("error")
                spent = float(case.get("time") or 0)
                if problem is not None:
                    failed += 1
                    results.add(name, "FAIL", spent, problem.text or "failed")
                elif case.find("skipped") is not None:
                    reason = re.findall("skip: (.*)", output)
                    results.add(name, "skip", spent, reason[0] if reason else "")
                else:
                    results.add(name, "ok", spent)
        except ElementTree.ParseError as problem:
            results.add(base, "FAIL", seconds, "broken report: %s\n%s" % (problem, output[-3000:]))
            return
    if code != 0 and not failed or not os.path.exists(report):
        results.add(base, "FAIL", seconds, "exit status %d\n%s" % (code, output[-6000:]))


def run_python(path, patterns, results):
    base = os.path.splitext(os.path.basename(path))[0]
    if patterns and not any(p.split(".")[0] in base or base in p for p in patterns):
        return
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location("banter_test_" + base, path)
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception:
        results.add(base, "FAIL", 0, traceback.format_exc())
        return
    finally:
        sys.path.pop(0)
    for name, function in sorted(vars(module).items(), key=lambda item: item[0]):
        if not name.startswith("test_") or not inspect.isfunction(function):
            continue
        full = base + "." + name[5:]
        if not wanted(full, patterns):
            continue
        started = time.monotonic()
        try:
            function(*([BINARY] if inspect.signature(function).parameters else []))
            results.add(full, "ok", time.monotonic() - started)
        except unittest.SkipTest as reason:
            results.add(full, "skip", time.monotonic() - started, str(reason))
        except Exception:
            results.add(full, "FAIL", time.monotonic() - started, traceback.format_exc())


def main():
    patterns = [a for a in sys.argv[1:] if not a.startswith("--")]
    patterns += os.environ.get("BANTER_TEST_FILTER", "").split()
    programs = [os.path.join(BUILD, "tests/unit", os.path.basename(source)[:-2])
                for source in sorted(glob.glob(os.path.join(ROOT, "tests/unit/*.c")))]
    scripts = sorted(path for folder in ("golden", "terminal", "command")
                     for path in glob.glob(os.path.join(ROOT, "tests", folder, "*.py"))
                     if any(line.startswith("def test_") for line in open(path, encoding="utf-8")))
    if "--list" in sys.argv:
        for path in programs + scripts:
            print(os.path.relpath(path, ROOT))
        return 0
    # A shell's background job ignores these, and its children would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    results = Results()
    for program in programs:
        run_program(program, patterns, results)
    for script in scripts:
        run_python(script, patterns, results)
    slow = sorted(results.rows, key=lambda row: -row[2])[:10]
    print("\nslowest:")
    for name, _, seconds, _ in slow:
        print("  %6.2f s  %s" % (seconds, name))
    failed = [row[0] for row in results.rows if row[1] == "FAIL"]
    for name in failed:
        print("failed: " + name)
    print("%d passed, %d failed, %d skipped" % (results.count("ok"), len(failed),
                                               results.count("skip")))
    return 1 if failed or not results.rows else 0


if __name__ == "__main__":
    sys.exit(main())
