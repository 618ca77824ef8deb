"""banter dataset: the files are there whole, the same each time, and the halves are apart."""
import json
import os
import re
import signal
import subprocess
import tempfile

from command_support import environment, expect, run


def lines(folder, name):
    with open(os.path.join(folder, name), encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def plain(text):
    return " ".join(re.findall(r"[a-z0-9/_+^.<>=*-]+", text.lower()))


def questions(line):
    return [plain(message["content"]) for message in line["messages"]
            if message["role"] == "user"]


def test_files(binary):
    with tempfile.TemporaryDirectory() as folder:
        expect(run(binary, "dataset", "--out", os.path.join(folder, "a"), "--size", 3000), out="")
        train = lines(os.path.join(folder, "a"), "train.jsonl")
        held_out = lines(os.path.join(folder, "a"), "held-out.jsonl")
        assert len(train) == 3000 and len(held_out) > 1000
        boundary = lines(os.path.join(folder, "a"), "boundary.jsonl")
        assert len(boundary) == 1500
        assert sorted(os.listdir(os.path.join(folder, "a"))) == [
            "boundary.jsonl", "held-out.jsonl", "train.jsonl"]
        for line in train + held_out + boundary:
            roles = [message["role"] for message in line["messages"]]
            assert roles[-2:] == ["user", "assistant"] and line["messages"][-1]["content"]
            assert ("thinking" in line["messages"][-1]) == line["think"]
            text = json.dumps(line)
            assert "<|" not in text and "think>" not in text, line
        kinds = {line["grade"]["kind"] for line in held_out}
        assert kinds == {"fact", "refusal", "exercise", "chat"}, kinds
        for line in held_out:
            answer = line["messages"][-1]["content"]
            named = [wanted in answer for wanted in line["grade"].get("expect", [])]
            assert any(named) if line["grade"]["kind"] == "refusal" else all(named), line
            assert line["grade"].get("answer", answer) == answer
        refusals = {line["messages"][-1]["content"] for line in boundary}
        assert 3 < len(refusals) <= 10, refusals
        asked = {question for line in train + boundary for question in questions(line)}
        for line in held_out:
            if len(questions(line)) == 1:
                assert questions(line)[0] not in asked, line


def test_seed(binary):
    with tempfile.TemporaryDirectory() as folder:
        texts = []
        for i, seed in enumerate((1, 1, 2)):
            path = os.path.join(folder, str(i))
            expect(run(binary, "dataset", "--out", path, "--size", 200, "--seed", seed))
            with open(os.path.join(path, "train.jsonl"), "rb") as file:
                texts.append(file.read())
        assert texts[0] == texts[1] != texts[2]


def test_a_stop_leaves_nothing_half_written(binary):
    with tempfile.TemporaryDirectory() as folder:
        program = subprocess.Popen([binary, "dataset", "--out", folder, "--size", "10000000"],
                                   env=environment())
        while not [name for name in os.listdir(folder) if name.startswith("train.jsonl.")]:
            assert program.poll() is None
        program.send_signal(signal.SIGTERM)
        assert program.wait(timeout=60) == -signal.SIGTERM
        assert os.listdir(folder) == ["held-out.jsonl"]


def test_refused(binary):
    expect(run(binary, "dataset"), 2, "", "--out is missing")
    expect(run(binary, "dataset", "--out", "x", "--size", "many"), 2, "", "--size must be")
    expect(run(binary, "dataset", "--out", "x", "--seed", "-1"), 2, "", "--seed must be")
    expect(run(binary, "dataset", "--out", "/nonexistent/a/b"), 74, "", "/nonexistent/a/b")
    expect(run(binary, "dataset", "--out", "/dev/null"), 74, "", "/dev/null")
