"""The command line as a whole: help, version, usage errors, standard descriptors."""
import os
import re
import subprocess

from command_support import environment, expect, run, script_file


def test_help_fits_80_columns(binary):
    done = expect(run(binary, "--help"), err="")
    assert done.err == b"", done
    for command in [[]] + [[name] for name in commands(binary)]:
        text = expect(run(binary, *command, "--help")).text
        assert text.startswith("Usage: banter"), text
        long_lines = [line for line in text.splitlines() if len(line) > 80]
        assert not long_lines, long_lines


def commands(binary):
    text = run(binary, "--help").text
    section = text.split("\nCommands", 1)[1].split("\nOptions:", 1)[0]
    return re.findall(r"^  ([a-z]+) ", section, re.MULTILINE)


def test_all_commands_are_listed(binary):
    # Which ones there are stands in the manual: manual.commands compares.
    listed = commands(binary)
    assert listed[:6] == ["logits", "generate", "tokenize", "detokenize", "info", "models"]
    assert "config" in listed and len(listed) == len(set(listed))


def test_version_names_level_and_licence(binary):
    text = expect(run(binary, "--version")).text
    assert re.match(r"banter \d+\.\d+\.\d+\nKernel level: \w+\n", text), text
    assert "GPL-3.0-or-later" in text and "NO WARRANTY" in text
    lowered = run(binary, "--version", variables={"BANTER_CPU": "generic"}).text
    assert "Kernel level: generic\n" in lowered
    lowered = run(binary, "--cpu=reference", "--version").text
    assert "Kernel level: reference\n" in lowered
    expect(run(binary, "--version", variables={"BANTER_CPU": "fast"}), 2, "", "fast")


def test_usage_errors(binary):
    cases = [
        (["--temprature=1"], "unknown option --temprature (did you mean --temperature?)"),
        (["--temper=1"], "unknown option --temper (did you mean --temperature?)"),
        (["--pro", "x"], "unknown option --pro (did you mean --prompt?)"),
        (["--temp=1"], '"banter" has no option --temp'),
        (["--t", "1"], '"banter" has no option --t'),
        (["-Z"], "unknown option -Z"),
        (["--model"], "--model needs a value"),
        (["-m"], "-m needs a value"),
        (["--plain=yes"], "--plain takes no value"),
        (["--no-ascii=yes"], "--no-ascii takes no value"),
        (["--temperature=hot"], '--temperature: "temperature" must be a number in [0, 5], '
                                'got "hot"'),
        (["--ascii=maybe"], '"ascii" must be true or false'),
        (["--kv", "f61"], 'must be one of f16, f32, got "f61" (did you mean "f16"?)'),
        (["--output=yaml", "-p", "x"], '--output must be one of text, json, got "yaml"'),
        (["generat"], 'unknown command "generat" (did you mean "generate"?)'),
        (["frobnicate"], 'unknown command "frobnicate"'),
        (["models/a.gguf"], "a model is named by --model: banter --model models/a.gguf"),
        (["--threads=2", "generate"], "a command comes first: banter generate"),
        (["--threads=2", "hello"], 'unknown command "hello" (a prompt is given by -p)'),
        ([""], 'unknown command ""'),
        (["logits", "--ascii"], '"banter logits" has no option --ascii'),
        (["logits", "--tokens", "1"], "--out is missing"),
        (["logits", "--out", "x"], "--tokens is missing"),
        (["generate"], "--tokens is missing"),
        (["generate", "--tokens", "1,x"], 'a token list holds numbers and commas, got "x"'),
        (["generate", "--tokens", "1;2"], 'got "1;2"'),
        (["generate", "--tokens", "-1"], 'got "-1"'),
        (["generate", "--tokens", "2147483648"], 'got "2147483648"'),
        (["generate", "--tokens", ","], "the list of tokens is empty"),
        (["generate", "--tokens", "@/nonexistent/list"], "/nonexistent/list"),
        (["info", "a", "b"], 'unexpected "b"'),
        (["config"], "config needs show, check or schema"),
        (["config", "edit"], "config knows show, check and schema"),
        (["config", "show", "x"], 'unexpected "x"'),
        (["--engine", "llama", "-p", "x"], "--engine takes script:FILE"),
        (["--plain", "-p", "x"], "-p gives one answer"),
    ]
    for arguments, message in cases:
        done = expect(run(binary, *arguments), 2, "", message)
        assert "--help'." in done.message or arguments[0] == "generate", done


def test_words_after_two_dashes_are_no_options(binary):
    expect(run(binary, "info", "--", "--help"), 3, "", "--help")


def test_messages_are_filtered(binary):
    done = run(binary, "--no\x1b[31m\u202e")
    assert done.code == 2 and b"\x1b" not in done.err and "\u202e" not in done.message, done
    assert "^[" in done.message, done


def test_closed_standard_output(binary):
    """A closed descriptor is an error and not the next file that is opened."""
    with script_file("answer\ntext hello\n") as script:
        arguments = [binary, "-p", "x", "--engine", "script:" + script.name]
        done = subprocess.run(["sh", "-c", 'exec "$@" >&-', "sh"] + arguments, env=environment(),
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 74 and b"standard output" in done.stderr, done
        done = subprocess.run(["sh", "-c", 'exec "$@" <&-', "sh"] + arguments, env=environment(),
                              capture_output=True, timeout=60, check=False)
        assert done.returncode == 0 and done.stdout == b"hello\n", done


def test_full_disk(binary):
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        for arguments in (["--help"], ["--version"], ["config", "show"], ["config", "schema"]):
            done = subprocess.run([binary] + arguments, env=environment(), stdout=full,
                                  stderr=subprocess.PIPE, timeout=60, check=False)
            assert done.returncode == 74, done
            assert b"standard output: No space left on device" in done.stderr, done
    finally:
        os.close(full)
