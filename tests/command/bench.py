"""banter bench: figures that can be true."""
import json
import os

from command_support import ROOT, expect, golden_model, run

DRAFT = os.path.join(ROOT, "config", "models", "guide-draft.gguf")
GUIDE = os.path.join(ROOT, "config", "models", "guide.gguf")


def close(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))


def check_ratio(ratio, rounds):
    assert ratio["n"] == rounds
    assert 0 < ratio["least"] <= ratio["low"] <= ratio["median"] <= ratio["high"] <= ratio["most"]


def measured(binary, *arguments, model=GUIDE):
    done = expect(run(binary, "bench", *arguments, "--model", model, "--threads", 2), err="")
    return done.text


def test_training_products(binary):
    # Two threads at most: a test machine may have many, and they wait for each other.
    threads = min(2, os.cpu_count() or 1)
    figures = json.loads(expect(run(binary, "bench", "train", "-o", "json",
                                    "--threads", threads)).text)
    assert [run["threads"] for run in figures["peak"]] == ([2, 1] if threads == 2 else [1])
    assert {row["product"] for row in figures["products"]} == {
        "forward", "input gradient", "weight gradient"}
    for row in figures["products"]:
        assert len(row["runs"]) == len(figures["peak"])
        for run_figures, peak in zip(row["runs"], figures["peak"]):
            # A busy machine slows anything; a wrong count of operations shows as more than all.
            assert 0 < run_figures["share"] < 1.1, row
            assert abs(run_figures["gops"] - run_figures["share"] * peak["gops"]) < \
                1e-3 * peak["gops"], row


def test_verify(binary):
    figures = json.loads(measured(binary, "verify", "--tokens", "40", "--rounds", "3", "--json"))
    assert figures["model"]["name"] == "guide" and figures["threads"] == 2
    assert [row["rows"] for row in figures["passes"]] == [1, 2, 3, 4, 6, 8, 12, 16, 24, 32]
    assert figures["step_seconds"] > 0
    for row in figures["passes"]:
        check_ratio(row["ratio"], 9)   # a pass of each round for each end
        assert row["verify_seconds"] > 0
        rows = row["rows"]
        assert [end["accepted"] for end in row["ends"]] == [1, (rows + 1) // 2, rows]
        for end in row["ends"]:
            assert end["next_step_seconds"] > 0 and end["accept_seconds"] >= 0
    # More rows are more work; a machine that is busy does not turn it round.
    assert figures["passes"][-1]["verify_seconds"] > figures["passes"][0]["verify_seconds"]
    assert set(figures["mark"]) == {"mark_seconds", "step_behind_seconds", "rewind_seconds",
                                    "next_step_seconds"}
    assert figures["copy"]["bytes"] > 1000 and figures["copy"]["snapshot_seconds"] > 0
    table = measured(binary, "verify", "--tokens", "8", "--rounds", "1")
    rows = [line.split()[0] for line in table.splitlines() if line[:1].isdigit()]
    assert rows == ["1", "2", "3", "4", "6", "8", "12", "16", "24", "32"], table


def test_lanes(binary):
    figures = json.loads(measured(binary, "lanes", "--tokens", "4", "--rounds", "2", "-o", "json",
                                  model=golden_model()))
    assert figures["tokens"] == 4 and figures["rounds"] == 2
    assert [row["sequences"] for row in figures["lanes"]] == [1, 2, 4, 8, 16, 32]
    for row in figures["lanes"]:
        check_ratio(row["ratio"], 2)
        assert close(row["tokens_per_second"],
                     row["sequences"] * row["tokens_per_second_each"])
    assert figures["lanes"][0]["ratio"]["most"] == 1
    assert "sequences" in measured(binary, "lanes", "--tokens", "2", "--rounds", "1")


def test_policies(binary):
    figures = json.loads(measured(binary, "policies", "--tokens", "24", "--rounds", "1",
                                  "--draft-model", DRAFT, "--json"))
    assert figures["tokens"] == 24 and figures["draft_model"]["name"] == "guide-draft"
    rows = figures["policies"]
    real = [row["policy"] for row in rows if row["scripted_acceptance"] is None]
    assert real == ["ngram", "mtp", "speculative", "auto"]
    scripted = [(row["policy"], row["scripted_acceptance"]) for row in rows
                if row["scripted_acceptance"] is not None]
    assert scripted == [(name, chance) for name in ("speculative", "auto")
                        for chance in (0.0, 0.3, 0.6, 0.9, 1.0)]
    for row in rows:
        check_ratio(row["ratio"], 1)
        assert close(row["ratio"]["median"],
                     row["tokens_per_second"] / row["plain_tokens_per_second"])
        counts = row["speculation"]
        assert counts["emitted"] == 48   # two answers
        assert counts["verified"] == counts["accepted"] + counts["rejected"]
        if row["scripted_acceptance"] is not None:
            assert set(counts["sources"]) <= {"draft"}
    speculative = {row["scripted_acceptance"]: row["speculation"] for row in rows
                   if row["policy"] == "speculative"}
    assert speculative[0.0]["accepted"] == 0 and speculative[0.0]["verified"] > 0
    assert speculative[1.0]["rejected"] == 0 and speculative[1.0]["accepted"] > 24
    assert 0 < speculative[0.6]["accepted"] < speculative[0.6]["verified"]
    assert isinstance(figures["auto_holds"], bool)


def test_a_draft_that_costs(binary):
    """A script's time is counted, not waited for."""
    text = measured(binary, "policies", "--tokens", "8", "--rounds", "1", "--draft-cost", "500",
                    model=golden_model())
    rows = {line[:20].strip(): line[20:].split() for line in text.splitlines()}
    # Two answers of eight tokens in more than a second.
    assert float(rows["speculative, 100 %"][2]) < 0.1, text
    assert "auto is" in text and "say little about auto" in text


def test_usage(binary):
    expect(run(binary, "bench"), 2, "", "policies, lanes or verify")
    expect(run(binary, "bench", "tea"), 2, "", '"tea"')
    expect(run(binary, "bench", "train", "--model", "x"), 2, "",
           '"bench train" has no option --model')
    expect(run(binary, "bench", "train", "--rounds", "2"), 2, "", "--rounds")
    expect(run(binary, "bench", "train", "--tokens", "2"), 2, "", "--tokens")
    expect(run(binary, "bench", "lanes", "--draft-cost", "2"), 2, "", "--draft-cost")
    expect(run(binary, "bench", "verify", "--draft-model", "x"), 2, "", "--draft-model")
    expect(run(binary, "bench", "verify", "--rounds", "0"), 2, "", "--rounds must be")
    expect(run(binary, "bench", "lanes", "--tokens", "many"), 2, "", "--tokens must be")
    expect(run(binary, "bench", "policies", "--draft-cost", "-1"), 2, "", "--draft-cost must be")
    expect(run(binary, "bench", "policies", "--draft-cost", "nan"), 2, "", "--draft-cost must be")
    expect(run(binary, "bench", "lanes", "--model", "/nonexistent.gguf"), 3, "", "nonexistent")
