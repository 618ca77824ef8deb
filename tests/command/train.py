"""banter train: from data files to a model, through stops and kills, and what it refuses."""
import fcntl
import json
import os
import pty
import random
import resource
import signal
import struct
import subprocess
import tempfile
import termios
import time

from command_support import environment, expect, golden_model, run

SHAPE = ["--layers", 4, "--embedding", 32, "--ffn", 32, "--heads", 2, "--kv-heads", 1,
         "--head-dim", 16, "--key-heads", 1, "--value-heads", 2, "--state-dim", 16]


def chat(question, answer, **more):
    return json.dumps({"messages": [{"role": "user", "content": question},
                                    {"role": "assistant", "content": answer}], **more})


class Workplace:
    """A folder with data and a vocabulary."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, folder
        lines = [chat("what comes after %d?" % i, "%d" % (i + 1)) for i in range(60)]
        lines += [json.dumps({"text": "count: " + " ".join(map(str, range(i, i + 9)))})
                  for i in range(40)]
        self.data = self.write("data.jsonl", "\n".join(lines) + "\n")
        self.held_out = self.write("other.jsonl", chat("what comes after 77?", "78") + "\n")
        self.vocabulary = self.path("vocabulary.gguf")
        expect(run(binary, "tokenizer", "--data", self.data, "--size", 280, "--out",
                   self.vocabulary))

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        path = self.path(name)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode("utf-8"))
        return path

    def arguments(self, out, *more):
        return ["train", "--vocabulary", self.vocabulary, "--data", self.data, "--out",
                self.path(out), *SHAPE, "--batch", 512, "--micro", 256, "--steps", 20, *more]

    def train(self, out, *more):
        return run(self.binary, *self.arguments(out, *more))

    def bytes_of(self, name):
        with open(self.path(name), "rb") as file:
            return file.read()


def workplace(test):
    def wrapped(binary):
        with tempfile.TemporaryDirectory() as folder:
            test(Workplace(binary, folder))
    wrapped.__name__ = test.__name__
    return wrapped


@workplace
def test_a_model_is_trained_and_talks(place):
    done = expect(place.train("model.gguf", "--held-out", place.held_out, "--json", "--name",
                              "counter", "--sampling", "temperature=0.25,top_k=7",
                              "--learning-rate", "0.01", "--held-out-interval", 10))
    steps = [json.loads(line) for line in done.text.splitlines()]
    assert [step["step"] for step in steps] == list(range(1, 21))
    assert [step["held_out_loss"] is not None for step in steps] == ([False] * 9 + [True]) * 2
    assert steps[-1]["loss"] < steps[0]["loss"] - 1 and steps[-1]["mtp_loss"] > 0
    assert "100 sequences" in done.message and "1 held out" in done.message, done
    assert "step 20/20" in done.message and " parameters, 20 steps, " in done.message, done
    assert not os.path.exists(place.path("model.gguf.checkpoint"))
    text = expect(run(place.binary, "info", "--keys", place.path("model.gguf"))).text
    assert "counter" in text and "general.sampling.temp" in text, text
    expect(run(place.binary, "--model", place.path("model.gguf"), "-p", "what comes after 3?",
               "--max-tokens", 8))


@workplace
def test_a_model_is_trained_further(place):
    expect(place.train("first.gguf", "--type", "F32", "--learning-rate", "0.01", "--name", "x"))
    done = expect(run(place.binary, "train", "--from", place.path("first.gguf"), place.data,
                      "--out", place.path("second.gguf"), "--steps", 2, "--json",
                      "--batch", 512, "--warmup", 0))
    first = json.loads(expect(place.train("third.gguf", "--json", "--steps", 2)).text
                       .splitlines()[0])
    assert json.loads(done.text.splitlines()[0])["loss"] < first["loss"] - 1
    text = expect(run(place.binary, "info", place.path("second.gguf"))).text
    assert "Q8_0" in text and "name           x" in text, text


@workplace
def test_kills_change_no_byte(place):
    """Killed at any moment and started again, it ends as one that never stopped."""
    expect(place.train("whole.gguf", "--steps", 60))
    whole = place.bytes_of("whole.gguf")
    arguments = list(map(str, place.arguments(
        "killed.gguf", "--steps", 60, "--resume", "--checkpoint", place.path("state"),
        "--checkpoint-interval", 1, "--threads", 2)))
    chance = random.Random(5)
    kills = 0
    for attempt in range(40):
        process = subprocess.Popen([place.binary, *arguments], env=environment(),
                                   stderr=subprocess.DEVNULL)
        try:
            process.wait(0.05 + chance.random() * (0.1 if attempt < 4 else 0.5))
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        if process.wait() == 0:
            break
    if process.returncode != 0:
        expect(run(place.binary, *arguments))
    assert kills >= 2, kills
    assert place.bytes_of("killed.gguf") == whole
    assert sorted(os.listdir(place.folder)).count("state") == 1


@workplace
def test_an_interrupt_keeps_what_was_done(place):
    arguments = list(map(str, place.arguments("model.gguf", "--steps", 100000)))
    for number in (signal.SIGINT, signal.SIGTERM):
        process = subprocess.Popen([place.binary, *arguments, "--json"], env=environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3):
            process.stdout.readline()
        # One training at a time.
        expect(run(place.binary, *arguments, "--resume"), 1, "",
               "model.gguf.checkpoint: another training uses this checkpoint")
        process.send_signal(number)
        _, err = process.communicate(timeout=30)
        assert process.returncode == -number, (process.returncode, err)
        assert b"--resume goes on from " in err and b"model.gguf.checkpoint" in err, err
        # What was done is not overwritten by mistake.
        expect(run(place.binary, *arguments), 2, "", "--resume goes on from it")
        if number == signal.SIGINT:
            done = run(place.binary, *arguments, "--resume", "--seed", 2)
            expect(done, 2, "", '"seed: 1", now it is "seed: 2"')
            os.remove(place.path("model.gguf.checkpoint"))
    checkpoint = bytearray(place.bytes_of("model.gguf.checkpoint"))
    checkpoint[len(checkpoint) // 2] ^= 4
    place.write("model.gguf.checkpoint", bytes(checkpoint))
    done = expect(run(place.binary, *arguments, "--resume"), 65, "", "model.gguf.checkpoint")
    assert "offset " in done.message, done
    assert sorted(os.listdir(place.folder)) == [
        "data.jsonl", "model.gguf.checkpoint", "other.jsonl", "vocabulary.gguf"]


@workplace
def test_data_are_refused_by_place(place):
    good = chat("a", "b") + "\n"
    n = len(good)
    cases = [
        (good + "{\"text\": \"a\xff\"}\n", "bad.jsonl:2:", None),
        (good + "{\"messages\": [}\n", "bad.jsonl:2:", "offset %d" % (n + 15)),
        (good * 2 + "[1]\n", "bad.jsonl:3:1", "\"messages\" or with a \"text\""),
        (good + "\n{\"messages\": []}\n", "bad.jsonl:3:1", "a list of messages"),
        (good + "{\"messages\": [{\"role\": \"me\", \"content\": \"\"}]}\n", ":2:1",
         "\"role\""),
        (good + "{\"messages\": [{\"role\": \"user\"}]}\n", ":2:1", "\"content\""),
        (good + "{\"messages\": [{\"role\": \"user\", \"content\": \"x\"}]}\n", ":2:1",
         "the assistant's"),
        (good + chat("x" * 3000, "y") + "\n", ":2:1", "a pass takes 256"),
        (good + chat("x", "y", think=1) + "\n", ":2:1", "\"think\" must be"),
        (good + "{\"text\": \"a\", \"text\": \"b\"}\n", "bad.jsonl:2:", "duplicate"),
        (good + "{\"text\": \"a", "bad.jsonl:2:", "offset"),
    ]
    for text, where, what in cases:
        place.data = place.write("bad.jsonl", text.encode("latin-1"))
        done = expect(place.train("model.gguf"), 65, "", where)
        assert what is None or what in done.message, (what, done)
        assert "offset " in done.message, done
    place.data = place.write("empty.jsonl", "\n")
    expect(place.train("model.gguf"), 2, "", "nothing to learn")
    place.data = place.path("none.jsonl")
    expect(place.train("model.gguf"), 2, "", "none.jsonl")
    place.data = place.folder
    expect(place.train("model.gguf"), 74, "", place.folder)
    assert not os.path.exists(place.path("model.gguf"))


@workplace
def test_plain_text_and_control_tokens(place):
    """Text that spells a control token stays text, in a chat and elsewhere."""
    place.data = place.write("story.txt", "<|im_end|> once upon a time. " * 300)
    done = expect(place.train("model.gguf", "--steps", 2))
    # 28 bytes and more: the spelt token is several tokens, and windows are cut.
    n_sequences, n_tokens = [int(word) for word in done.message.split() if word.isdigit()][:2]
    assert n_sequences > 10 and n_tokens > 300 * 12, done
    place.data = place.write("chat.jsonl", chat("<|im_end|>", "<|im_start|>") + "\n")
    spelt = expect(place.train("model.gguf", "--steps", 1)).message
    place.data = place.write("chat.jsonl", chat("", "") + "\n")
    bare = expect(place.train("model.gguf", "--steps", 1)).message
    assert int(spelt.split()[4]) > int(bare.split()[4]) + 10, (spelt, bare)


@workplace
def test_wrong_numbers(place):
    cases = [
        (["--steps", "0"], "--steps must be a whole number in [1, 1000000000], got \"0\""),
        (["--steps", "ten"], "got \"ten\""),
        (["--learning-rate", "0"], "--learning-rate must be a number in (0, 1000], got \"0\""),
        (["--learning-rate", "nan"], "got \"nan\""),
        (["--learning-rate", "0x1p-3"], "got \"0x1p-3\""),
        (["--dropout", "1"], "--dropout must be a number in [0, 1), got \"1\""),
        (["--embedding", "40"], "must be a multiple of 16, got 40"),
        (["--kv-heads", "4"], "2 heads cannot share 4 key/value heads"),
        (["--value-heads", "2", "--key-heads", "2", "--state-dim", "24"], "multiple of 16"),
        (["--type", "Q3_X"], "--type must be one of"),
        (["--optimizer", "adagrad"], "--optimizer must be one of adamw, adam, sgd"),
        (["--warmup", "21"], "--warmup is longer than --steps"),
        (["--sampling", "temperature"], "--sampling takes settings"),
        (["--sampling", "top_k=x"], "--sampling takes settings"),
        (["--sampling", "top_k=1.5"], "--sampling takes settings"),
        # No key of a model file says it.
        (["--sampling", "presence_penalty=1"], "--sampling takes settings"),
        (["--out", place.folder], "is no file"),
        (["--out", "/dev/null"], "/dev/null is no file"),
        (["--checkpoint", place.path("model.gguf")], "--out and --checkpoint name the same"),
        (["--from", "x"], "either --vocabulary"),
    ]
    for arguments, message in cases:
        expect(place.train("model.gguf", *arguments), 2, "", message)
    expect(run(place.binary, "train"), 2, "", "--out is missing")
    expect(run(place.binary, "train", "--out", "x", "--vocabulary", "y"), 2, "",
           "--data is missing")
    expect(run(place.binary, "train", "--out", "x", "--vocabulary", "/nonexistent/y", "z"), 3)
    expect(place.train("model.gguf", "--out", "/nonexistent/x.gguf"), 74, "",
           "/nonexistent/x.gguf")
    expect(place.train("model.gguf", "--layers", 1000, "--embedding", "64k", "--ffn", "1M"), 4, "",
           "million parameters")
    assert not os.path.exists(place.path("model.gguf"))


@workplace
def test_a_curve_is_drawn(place):
    text = expect(place.train("model.gguf", "--plot", "--steps", 4)).text
    lines = text.splitlines()
    assert len(lines) == 16 and all(len(line) <= 80 for line in lines), text
    assert "step 1" in text and any("\u2800" < char < "\u2900" for char in text), text
    text = expect(place.train("model.gguf", "--plot", "--steps", 4, "--ascii")).text
    assert text.isascii() and "*" in text, text


def lines_on_terminal(place, columns, *more):
    """What a terminal of so many columns gets of the progress line."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    program = subprocess.Popen([place.binary, *map(str, place.arguments("model.gguf", *more))],
                               env=environment(TERM="xterm"), stdout=subprocess.PIPE,
                               stderr=slave)
    os.close(slave)
    text = b""
    try:
        while True:
            text += os.read(master, 4096)
    except OSError:  # the other end is closed
        os.close(master)
    program.communicate(timeout=60)
    assert program.returncode == 0, text
    return text.decode()


@workplace
def test_the_progress_line_fits(place):
    for columns in (40, 80):
        text = lines_on_terminal(place, columns, "--steps", 3)
        drawn = [line.split("\x1b[K")[0] for line in text.split("\r") if "\x1b[K" in line]
        assert drawn and all(0 < len(line) < columns for line in drawn), (columns, text)
        assert drawn[-1].startswith("step 3/3  loss"), drawn
        assert ("tok/s" in drawn[-1]) == (columns == 80), drawn
        # The line ends before the next one begins.
        assert "\x1b[K\r\nbanter: " in text, text


@workplace
def test_names_of_files_are_filtered(place):
    name = "model\x1b[31m\n.gguf"
    done = expect(place.train(name, "--steps", 1))
    assert "model^[[31m^J.gguf: " in done.message and "\x1b" not in done.message, done
    place.data = place.write("data\x1b[1m.jsonl", "{\x1b[31m")
    done = expect(place.train("m.gguf", "--steps", 1), 65, "", "data^[[1m.jsonl:1:")
    assert "\x1b" not in done.message, done


@workplace
def test_a_full_disk_leaves_the_old_model(place):
    expect(place.train("model.gguf", "--steps", 1))
    old = place.bytes_of("model.gguf")
    arguments = list(map(str, place.arguments("model.gguf", "--steps", 1, "--seed", 5)))
    limit = (20000, 20000)
    done = subprocess.run([place.binary, *arguments], env=environment(), capture_output=True,
                          timeout=60, check=False,
                          preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit))
    assert done.returncode == 74 and b"model.gguf" in done.stderr, done
    assert place.bytes_of("model.gguf") == old


@workplace
def test_many_lines_load_quickly(place):
    line = chat("What is the key that folds thinking?", "Alt-T folds and unfolds it.") + "\n"
    place.data = place.write("many.jsonl", line * 100000)
    place.vocabulary = golden_model()
    started = time.monotonic()
    done = expect(place.train("model.gguf", "--steps", 1))
    assert "100000 sequences" in done.message, done
    assert time.monotonic() - started < 30
