"""The models in the box themselves: what they are, what they know, how often drafts are right."""
import json
import os
import re
import tempfile

from command_support import ROOT, expect, run

BOX = os.path.join(ROOT, "config", "models")
GUIDE = os.path.join(BOX, "guide.gguf")
DRAFT = os.path.join(BOX, "guide-draft.gguf")
MOST_BYTES = 12 << 20


def held_out(binary, folder):
    """The held-out questions of this source, as lines of JSON."""
    expect(run(binary, "dataset", "--no-config", "--size", "1000", "--out", folder))
    with open(os.path.join(folder, "held-out.jsonl"), encoding="utf-8") as file:
        return file.readlines()


def test_the_box(binary):
    assert os.path.getsize(GUIDE) + os.path.getsize(DRAFT) <= MOST_BYTES
    about = expect(run(binary, "info", GUIDE, "--keys")).text
    assert re.search(r"^architecture +qwen35$", about, re.MULTILINE), about
    assert re.search(r"gated DeltaNet, \d+ full attention", about), about
    key_heads, value_heads = map(int, re.search(r"(\d+) key and (\d+) value heads", about).groups())
    assert value_heads > key_heads
    assert "nextn_predict_layers" in about and "general.sampling.temp" in about
    assert "differs from" not in about, about
    draft = expect(run(binary, "info", DRAFT)).text
    vocabulary = re.compile(r"^vocabulary +(.*)$", re.MULTILINE)
    assert vocabulary.search(draft).group(1) == vocabulary.search(about).group(1)


def test_what_it_knows(binary):
    """Every second question; every fourth one under a sanitizer."""
    step = 4 if "address" in binary or "undefined" in binary or "thread" in binary else 2
    with tempfile.TemporaryDirectory() as folder:
        lines = held_out(binary, folder)
        assert len(lines) > 1000
        path = os.path.join(folder, "sample.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines[::step])
        done = run(binary, "grade", "--no-config", "--model", GUIDE, "--draft", DRAFT, path,
                   "--output", "json")
        figures = json.loads(done.text)
    assert figures["answers"] == len(lines[::step])
    for name, least in (("fact", 0.85), ("refusal", 0.9), ("draft_acceptance", 0.6),
                        ("mtp_acceptance", 0.6), ("no_control_token", 1), ("ended", 1)):
        got = figures[name]
        assert got["of"] > 0 and got["right"] >= least * got["of"], (name, got)


def test_it_answers_the_first_questions(binary):
    """Through the program's own door, with the file's own sampling settings."""
    for question, wanted in (("how do I exit banter?", "/quit"),
                             ("how do I open a real model?", "--model"),
                             ("What does /regen do?", "/regen"),
                             ("What is the capital of Peru?", "real one")):
        done = run(binary, "-p", question, "--seed", "1", variables={"BANTER_GUIDE": GUIDE})
        assert wanted in expect(done).text, done
