"""banter bench: figures that can be true."""
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time

from command_support import ROOT, environment, expect, golden_model, run

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


def ordered(figure):
    assert 0 < figure["least"] <= figure["median"] <= figure["most"], figure


def test_machine(binary):
    figures = json.loads(expect(run(binary, "bench", "machine", "--quick", "--json",
                                    "--threads", 2), err="").text)
    assert figures["buffer_bytes"] >= 1 << 24 and figures["huge_page_bytes"] >= 0
    for name in ("read_bytes_per_second", "read_small_pages_bytes_per_second",
                 "int8_operations_per_second", "f32_operations_per_second"):
        assert [run_figures["threads"] for run_figures in figures[name]] == [2, 1]
        for run_figures in figures[name]:
            ordered(run_figures)
            # A word of memory a microsecond, an operation a nanosecond: nothing is slower.
            assert 1e7 < run_figures["median"] < 1e15, (name, run_figures)
    table = expect(run(binary, "bench", "machine", "--rounds", "1", "--threads", 1)).text
    assert "read, huge pages" in table and "1 thread" in table and "2 threads" not in table


def model_figures(binary, *arguments):
    return json.loads(measured(binary, "model", "--rounds", "1", "--tokens", "4", "--json",
                               *arguments, model=golden_model()))


def test_model(binary):
    figures = model_figures(binary, "--quick")
    memory, rows = figures["memory"], figures["figures"]
    assert figures["threads"] == 2 and figures["rounds"] == 1 and figures["cancelled"] is False
    assert figures["profile"] is None and figures["peer"] is None
    parts = list(dict.fromkeys(row["part"] for row in rows))
    # The head is a difference, and may drown in noise where it is so small.
    assert [part for part in parts if part != "head"] == [
        "load", "first-token", "prefill", "decode", "verify", "lanes", "state", "modes"]
    assert memory["resident_bytes"] > memory["resident_before_bytes"] > 0
    assert memory["trunk_bytes"] + memory["head_bytes"] <= memory["packed_bytes"]
    assert memory["head_operations"] < memory["trunk_operations"]
    for row in rows:
        ordered(row["seconds"])
        assert row["seconds"]["n"] == 1 and 0 <= row["disturbed"] <= 1, row
        assert 0 <= row["disturbed_most"] <= 1 or row["disturbed"] == 0, row
        seconds, read = row["seconds"]["median"], row["read_bytes_per_second"]
        least = max(row["bytes"] / read,
                    row["operations"] / row["int8_operations_per_second"])
        if row["share"] is None:
            assert least == 0 and row["limit"] is None, row
            continue
        assert close(row["share"]["median"], least / seconds), row
        assert row["limit"] == ("read" if least == row["bytes"] / read else "int8"), row
        if row["share_of_int8"] is not None:
            assert 0 < row["share_of_int8"] < 1.1, row   # the other can be beaten by a cache
        if row["tokens"] > 0:
            assert close(row["tokens_per_second"], row["tokens"] / seconds), row
    named = {row["name"]: row for row in rows}
    weights = memory["trunk_bytes"] + memory["head_bytes"]
    decode = named["decode 4, depth 4096"]
    assert decode["depth"] == 4096 and decode["bytes"] == \
        4 * (weights + memory["kv_bytes_per_token"] * (4096 + 1 + 2))
    prefill = named["prefill 64"]
    assert prefill["operations"] == \
        64 * memory["trunk_operations"] + memory["head_operations"]
    verify = [row for row in rows if row["part"] == "verify"]
    assert [row["n"] for row in verify] == [1, 3, 6, 12, 24, 32]
    assert [row["n"] for row in rows if row["part"] == "lanes"] == [1, 4, 16, 32]
    assert all(row["ratio"]["median"] > 0 and row["ratio_name"] == "of a step" for row in verify)
    assert named["first token, restored"]["seconds"]["median"] < \
        named["first token, fresh"]["seconds"]["median"]


def test_parts_of_a_model(binary):
    parts = {row["part"] for row in model_figures(binary, "--only", "prefill,state")["figures"]}
    assert parts == {"prefill", "state"}
    table = measured(binary, "model", "--rounds", "2", "--only", "prefill", "--quick",
                     model=golden_model())
    assert "prefill 512" in table and "decode" not in table and "memory:" not in table


def test_profile(binary):
    figures = model_figures(binary, "--only", "profile")
    assert figures["figures"] == []
    assert [one["kind"] for one in figures["profile"]] == ["decode", "verify", "prefill"]
    for one in figures["profile"]:
        total = sum(row["seconds"] for row in one["stages"])
        assert abs(total + one["between_seconds"] - one["seconds"]) < 1e-6 * one["seconds"], one
        assert 0 <= one["between_seconds"] < 0.5 * one["seconds"], one
        for row in one["stages"]:
            assert 0 < row["share"] <= 1 and 0 <= row["waiting_seconds"] <= row["seconds"], row
            assert close(row["share"], row["seconds"] / one["seconds"])
        assert {"model", "recurrent", "attention"} == {row["layers"] for row in one["stages"]}
        assert "head" in [row["stage"] for row in one["stages"]]
    assert [one["head_strategy"] for one in figures["profile"]] == [
        "tiled arg-max", "tiled arg-max", "full"]
    assert figures["profile"][0]["passes"] == figures["profile"][0]["rows"] == 4
    assert figures["profile"][1]["rows"] == 4 * figures["profile"][1]["passes"]


def test_curves(binary):
    arguments = ("--rounds", "1", "--tokens", "4", "--quick", "--only", "verify,decode", "--plot")
    drawn = measured(binary, *arguments, model=golden_model()).split("\na pass over rows")[1]
    assert any(0x2800 < ord(character) < 0x2900 for character in drawn)
    assert "rows 1 " in drawn and "depth 0 " in drawn and "the machine's limit" in drawn
    plain = measured(binary, *arguments, "--ascii", model=golden_model())
    assert plain.isascii() and "* measured" in plain


PEER = """#!%s
import json, sys, time
with open(%r, "a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
%s
"""
RESULT = """
print("warning: [noise] in front")
print(json.dumps([{"build_commit": "abc", "n_prompt": 512, "n_gen": 0, "avg_ts": 250.0},
                  {"build_commit": "abc", "n_prompt": 0, "n_gen": 4, "avg_ts": 10}], indent=1))
"""


def beside(binary, body, *arguments, code=0, err="", rounds="2"):
    """The result beside a peer that runs this Python text, and the arguments of its runs."""
    with tempfile.TemporaryDirectory() as folder:
        path, log = os.path.join(folder, "llama-bench"), os.path.join(folder, "log")
        with open(path, "w", encoding="utf-8") as file:
            file.write(PEER % (sys.executable, log, body))
        os.chmod(path, os.stat(path).st_mode | stat.S_IXUSR)
        done = expect(run(binary, "bench", "--rounds", rounds, "--tokens", "4", "--json",
                          "--only", "peer", "--peer", path, "--quick", "--threads", 2, "--model",
                          golden_model(), *arguments), code, err=err)
        with open(log, encoding="utf-8") as file:
            return done.text, [json.loads(line) for line in file]


def test_peer(binary):
    text, runs = beside(binary, RESULT, "--peer-arguments", " -fa  1 ")
    peer = json.loads(text)["peer"]
    assert len(runs) == 4 and all(words == runs[0] for words in runs)
    assert runs[0][:2] == ["-m", golden_model()] and runs[0][-2:] == ["-fa", "1"]
    for flag, value in (("-t", "2"), ("-p", "512"), ("-n", "4"), ("-r", "1"), ("-o", "json")):
        assert runs[0][runs[0].index(flag) + 1] == value, runs[0]
    assert peer["build"] == "abc" and peer["path"].endswith("llama-bench")
    assert [(row["name"], row["tokens"], row["peer_tokens_per_second"])
            for row in peer["tests"]] == [("prefill", 512, 250.0), ("decode", 4, 10.0)]
    for row in peer["tests"]:
        check_ratio(row["ratio"], 2)
        # Two rounds: the median of rates and that of ratios lie between the same two.
        assert abs(row["ratio"]["median"] /
                   (row["tokens_per_second"] / row["peer_tokens_per_second"]) - 1) < 0.3, row


def test_a_peer_that_fails(binary):
    def fails(body, err, *arguments):
        _, runs = beside(binary, body, *arguments, code=1, err=err, rounds="1")
        assert len(runs) == 1

    fails('print("no such flag", file=sys.stderr); sys.exit(7)', "exit code 7: no such flag")
    fails('print("[1, 2] is no result")', "no result in JSON")
    fails('print("[{\\"n_prompt\\": 512, \\"n_gen\\": 0, \\"avg_ts\\": 5}]")',
          "no rate (avg_ts) for decode of 4 tokens")
    fails("time.sleep(60)", "did not end within 1 seconds", "--peer-seconds", "1")
    expect(run(binary, "bench", "--only", "peer", "--tokens", "4", "--peer", "/nonexistent/x",
               "--model", golden_model()), 3, "", "/nonexistent/x cannot be run")


def test_a_machine_that_is_not_quiet(binary):
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"])
            for _ in range(min(8, os.cpu_count() or 1))]
    try:
        expect(run(binary, "bench", "machine", "--require-quiet"), 1, "", "is not quiet: others")
    finally:
        for process in busy:
            process.kill()
            process.wait()


def test_an_interrupt_ends_with_what_there_is(binary):
    bench = subprocess.Popen([binary, "bench", "--rounds", "500", "--tokens", "4", "--only",
                              "prefill", "--threads", "2", "--model", golden_model()],
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment())
    time.sleep(3)
    bench.send_signal(signal.SIGINT)
    out, err = bench.communicate(timeout=30)
    assert bench.returncode == -signal.SIGINT, (bench.returncode, err)
    assert b"stopped: not everything" in out and b"read, huge pages" in out, out


def test_usage(binary):
    expect(run(binary, "bench"), 3, "", "no model")
    expect(run(binary, "bench", "--only", "tea"), 2, "", '"tea"')
    expect(run(binary, "bench", "--only", ""), 2, "", "names no part")
    expect(run(binary, "bench", "--only", "peer"), 2, "", "needs --peer")
    expect(run(binary, "bench", "--peer-arguments", "-x"), 2, "", "need --peer")
    expect(run(binary, "bench", "--tokens", "0"), 2, "", "--tokens must be")
    expect(run(binary, "bench", "--wait-quiet", "soon"), 2, "", "--wait-quiet must be")
    expect(run(binary, "bench", "--draft-cost", "2"), 2, "",
           '"bench model" has no option --draft-cost')
    expect(run(binary, "bench", "machine", "--plot"), 2, "", "--plot")
    expect(run(binary, "bench", "machine", "--model", "x"), 2, "", "--model")
    expect(run(binary, "bench", "lanes", "--only", "load"), 2, "", "--only")
    expect(run(binary, "bench", "verify", "--ascii"), 2, "", "--ascii")
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
