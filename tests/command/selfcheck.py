"""banter selfcheck: what is compared, and the verdict."""
import json
import os

from command_support import ROOT, expect, golden_model, run

GUIDE = os.path.join(ROOT, "config", "models", "guide.gguf")
DRAFT = os.path.join(ROOT, "config", "models", "guide-draft.gguf")


def test_every_way_is_compared(binary):
    done = run(binary, "selfcheck", "--model", GUIDE, "--draft-model", DRAFT, "--threads", "2",
               "--tokens", "72", "-o", "json")
    figures = json.loads(expect(done, err="").text)
    assert figures["passed"] and figures["differences"] == 0 and not figures["cancelled"]
    assert figures["model"]["name"] == "guide" and figures["draft_model"]["name"] == "guide-draft"
    steps = figures["steps"]
    assert all(step["passed"] and step["found"] for step in steps) and len(steps) >= 10
    text = " ".join(step["what"] for step in steps)
    for word in ("chunks", "thread", "rejected", "restored", "ngram", "speculative", "mtp", "auto"):
        assert word in text, (word, text)


def test_lines(binary):
    text = expect(run(binary, "selfcheck", "--model", golden_model(), "--threads", "1",
                      "--tokens", "40")).text
    lines = text.splitlines()
    assert "kernels" in lines[0] and lines[1].startswith("ok         1/")
    assert "with the draft" not in lines[0]
    assert lines[-1] == "all %d comparisons are equal in every byte" % (len(lines) - 2)


def test_usage(binary):
    expect(run(binary, "selfcheck", "--tokens", "0"), 2, "", "--tokens must be")
    expect(run(binary, "selfcheck", "x"), 2, "", 'unexpected "x"')
    expect(run(binary, "selfcheck", "--model", "/nonexistent.gguf"), 3, "", "nonexistent")
    expect(run(binary, "selfcheck", "--model", golden_model(), "--draft-model",
               "/nonexistent.gguf"), 3, "", "nonexistent")
