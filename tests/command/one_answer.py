"""One answer without a screen: what goes where, exit codes, signals."""
import json
import os
import signal
import subprocess
import time

from command_support import PATIENCE, environment, expect, golden_model, run, script_file


def answer(binary, script, *arguments, stdin=b"", prompt="hello"):
    with script_file(script) as file:
        flags = ["-p", prompt] if prompt is not None else []
        return run(binary, *flags, "--engine", "script:" + file.name, *arguments, stdin=stdin)


def start(binary, file, *arguments, **more):
    command = [binary, "-p", "x", "--engine", "script:" + file.name, *arguments]
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(), **more)


def test_the_answer_alone(binary):
    expect(answer(binary, "answer\nthink hm\ntext Two words\n"), 0, "Two words\n")
    assert answer(binary, "answer\nthink hm\ntext hi\n").err == b""
    expect(answer(binary, "answer\ntext hi\\n\n"), 0, "hi\n")
    expect(answer(binary, "answer\n"), 0, "")


def test_thinking_goes_to_standard_error(binary):
    done = answer(binary, "answer\nthink so\\e[1m it is\ntext hi\n", "--show-thinking")
    expect(done, 0, "hi\n", "so^[[1m it is\n")
    assert b"\x1b" not in done.err


def test_text_is_filtered(binary):
    script = "answer\nsplit 1\ntext a\\e]0;x\\x07b\\xe2\\x80\\xaec\\x9bd\\r\\n\\ttab\\xc3\\xa9\n"
    done = answer(binary, script)
    assert done.code == 0 and b"\x1b" not in done.out and b"\x07" not in done.out, done
    assert "^[]0;x^Gb<U+202E>c" in done.text and "\ttab\u00e9\n" in done.text, done
    raw = answer(binary, script, "--raw")
    assert raw.out.startswith(b"a\x1b]0;x\x07b\xe2\x80\xaec"), raw
    assert raw.out.endswith(b"\r\n\ttab\xc3\xa9"), raw


def test_prompt_from_standard_input(binary):
    script = "answer\ntext ok\n"

    def tokens(**more):
        done = expect(answer(binary, script, "--output", "json", **more))
        return json.loads(done.text)["statistics"]["prompt_tokens"]

    # The scripted engine counts four bytes as a token, and four tokens for a message.
    assert tokens(prompt="x" * 40) == 14
    assert tokens(prompt=None, stdin=b"x" * 40 + b"\n\n") == 14
    assert tokens(prompt="-", stdin=b"x" * 40) == 14
    assert tokens(prompt="x" * 20, stdin=b"y" * 18 + b"\n") == 14
    expect(answer(binary, script, prompt=None), 2, "", "the prompt is empty")
    expect(answer(binary, script, prompt=None, stdin=b"\n\n"), 2, "", "the prompt is empty")
    expect(answer(binary, script, prompt=""), 2, "", "the prompt is empty")


def test_json(binary):
    done = answer(binary, "name tiny\nanswer\nthink a\\e\ntext b\\xff\\x9bc\n", "-o", "json",
                  "--seed", "7")
    value = json.loads(expect(done).text)
    assert value["answer"].startswith("b\ufffd") and value["thinking"] == "a\x1b", value
    assert value["stop_reason"] == "stop" and value["seed"] == "7", value
    assert value["model"]["name"] == "tiny", value
    assert value["statistics"]["generated_tokens"] > 0, value
    assert done.text.count("\n") == 1


def test_pieces_come_as_they_are_made(binary):
    with script_file("answer\ntext first\ndelay 3000\ntext second\n") as file:
        process = start(binary, file)
        begun = time.monotonic()
        assert process.stdout.read(5) == b"first"
        assert time.monotonic() - begun < 2.5
        process.kill()
        process.communicate(timeout=PATIENCE)


def interrupt(binary, number, *arguments):
    """The signal, after the first piece; (exit status, stdout, stderr)."""
    with script_file("answer\ntext first part\nrate 10\nrepeat 600\ntext and more \n") as file:
        process = start(binary, file, *arguments)
        if not arguments:
            assert process.stdout.read(5) == b"first"
        else:
            time.sleep(0.5)
        begun = time.monotonic()
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
        assert time.monotonic() - begun < 5
        return process.returncode, out, err


def test_signals_end_by_themselves(binary):
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        code, out, err = interrupt(binary, number)
        assert code == -number, (code, err)
        assert out.endswith(b"\n") and err == b"", (out, err)


def test_interrupted_json_is_whole(binary):
    code, out, _ = interrupt(binary, signal.SIGINT, "--output", "json")
    assert code == -signal.SIGINT
    value = json.loads(out)
    assert value["stop_reason"] == "cancelled" and value["answer"].startswith("first"), value


def test_interrupt_while_loading(binary):
    with script_file("load 60000\nanswer\ntext x\n") as file:
        process = start(binary, file)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)
        assert process.returncode == -signal.SIGINT and out == b"" and err == b"", (out, err)


def test_ignored_signals_stay_ignored(binary):
    with script_file("answer\ntext a\ndelay 1000\ntext b\n") as file:
        process = start(binary, file,
                        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        assert process.stdout.read(1) == b"a"
        process.send_signal(signal.SIGHUP)
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and out == b"b\n"


def test_stopped_time_does_not_count(binary):
    with script_file("answer\nrate 100\nrepeat 50\ntext abcd\n") as file:
        process = start(binary, file, "--output", "json")
        time.sleep(0.3)
        process.send_signal(signal.SIGTSTP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        out, _ = process.communicate(timeout=PATIENCE)
        statistics = json.loads(out)["statistics"]
        assert statistics["decode_seconds"] < 1.9, statistics


def test_a_reader_that_goes_away(binary):
    with script_file("context 10000000\nanswer\nrepeat 500000\n"
                     "text 0123456789abcdef\n") as file:
        process = start(binary, file)
        process.stdout.read(100)
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        assert process.wait(timeout=PATIENCE) == -signal.SIGPIPE and err == b"", err


def test_full_disk(binary):
    with script_file("answer\ntext hello\n") as file:
        full = os.open("/dev/full", os.O_WRONLY)
        for more in ([], ["--output", "json"]):
            done = subprocess.run([binary, "-p", "x", "--engine", "script:" + file.name] + more,
                                  env=environment(), stdout=full, stderr=subprocess.PIPE,
                                  stdin=subprocess.DEVNULL, timeout=PATIENCE, check=False)
            assert done.returncode == 74, done
            assert b"standard output: No space left on device" in done.stderr, done
        os.close(full)


def test_how_answers_end(binary):
    expect(answer(binary, "answer\ntext a\nstop context\n"), 5, "a\n", "context")
    expect(answer(binary, "answer\ntext a\nstop length\n"), 0, "a\n", "--max-tokens")
    expect(answer(binary, "answer\ntext a\nfail the stack of cards fell\n"), 1, "a\n",
           "the stack of cards fell")
    expect(answer(binary, "fail no luck\nanswer\ntext a\n"), 1, "", "no luck")
    expect(answer(binary, "nonsense\n"), 65, "", "script")


def test_no_model(binary):
    done = expect(run(binary, "-p", "x"), 3, "", "no model: give one with --model FILE")
    assert len(done.message.splitlines()) == 1, done
    expect(run(binary, "-p", "x", "--model", "/nonexistent/a.gguf"), 3, "", "/nonexistent/a.gguf")
    expect(run(binary, "-p", "x", "--model", __file__), 65, "")


def test_only_one_answer_has_a_format(binary):
    """With a terminal on both sides --output would be a chat's."""
    leader, follower = os.openpty()
    for flag in (["--output", "json"], ["--raw"]):
        done = subprocess.run([binary, *flag], stdin=follower, stdout=follower,
                              stderr=subprocess.PIPE, env=environment(), timeout=PATIENCE,
                              check=False)
        assert done.returncode == 2 and b"is for one answer" in done.stderr, done
    os.close(leader)
    os.close(follower)


def test_on_a_terminal(binary):
    """JSON in ASCII alone, and a prompt that is typed."""
    with script_file("answer\ntext \\xc2\\x9b31m\\xe2\\x80\\xae\\xc3\\xa9\n") as file:
        leader, follower = os.openpty()
        arguments = [binary, "--engine", "script:" + file.name, "--output", "json"]
        process = subprocess.Popen(arguments + ["-p", "x"], stdin=subprocess.DEVNULL,
                                   stdout=follower, env=environment())
        assert process.wait(timeout=PATIENCE) == 0
        out = os.read(leader, 65536)
        assert all(byte < 127 for byte in out), out
        assert json.loads(out)["answer"] == "\x9b31m\u202e\u00e9", out
        process = subprocess.Popen(arguments, stdin=follower, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, env=environment())
        assert b"reading the prompt from the terminal" in process.stderr.readline()
        os.write(leader, b"hello\n\x04")
        out, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0 and json.loads(out)["stop_reason"] == "stop"
        os.close(leader)
        os.close(follower)


def test_a_real_model_answers_and_repeats(binary):
    model = golden_model()
    arguments = ["-p", "hello", "-m", model, "-n", "24", "--seed", "5", "-o", "json"]
    first = json.loads(expect(run(binary, *arguments)).text)
    again = json.loads(expect(run(binary, *arguments, "-t", "1", "--chunk", "3")).text)
    assert first["answer"] == again["answer"] and first["noise_seed"] == again["noise_seed"]
    assert first["sampling"]["temperature"] == again["sampling"]["temperature"]
    assert first["statistics"]["generated_tokens"] <= 24
    other = json.loads(run(binary, *arguments, "--seed", "6").text)
    assert other["noise_seed"] != first["noise_seed"]
    # A conversation longer than its context.
    expect(run(binary, "-p", "hello " * 200, "-m", model, "-c", "64"), 5, "")
    done = run(binary, "-p", "hello", "-m", model, "-c", "64", "--temperature", "0")
    assert done.code in (0, 5), done
