"""banter ab: two policies, the same text, honest figures."""
import json
import math
import os
import signal
import subprocess
import tempfile
import time

from command_support import ROOT, environment, expect, golden_model, run

GUIDE = os.path.join(ROOT, "config", "models", "guide.gguf")
DRAFT = os.path.join(ROOT, "config", "models", "guide-draft.gguf")


def lines_of(*objects):
    return "".join(json.dumps(line) + "\n" for line in objects)


def compared(binary, text, *arguments, model=GUIDE):
    """The exit is that of run(); the file's name ends in prompts.jsonl."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "prompts.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return run(binary, "ab", "--model", model, path, *arguments)


def close(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))


def check_side(side, rounds, prompts):
    counts = side["speculation"]
    assert side["tokens"] == rounds * sum(prompt["tokens"] for prompt in prompts)
    # The identities of engine/policy.h.
    assert counts["emitted"] == side["tokens"], side
    assert counts["emitted"] == sum(counts[name] for name in (
        "accepted", "corrections", "bonus", "plain", "forced")), counts
    assert counts["proposed"] == counts["verified"] + counts["ignored"], counts
    assert counts["verified"] == counts["accepted"] + counts["rejected"], counts
    for name in ("proposed", "verified", "accepted"):
        assert counts[name] == sum(source[name] for source in counts["sources"].values())
    assert sum(counts["position_accepted"]) == counts["accepted"]
    assert sum(counts["position_verified"]) == counts["verified"]
    if counts["verified"]:
        assert close(counts["acceptance"], counts["accepted"] / counts["verified"])
        assert close(counts["mean_length"], counts["pass_tokens"] / counts["passes"])
    else:
        assert counts["acceptance"] is None and counts["mean_length"] is None
    timed = rounds * sum(max(0, prompt["tokens"] - 1) for prompt in prompts)
    assert close(side["tokens_per_second"], timed / side["decode_seconds"]), side


def check_ratio(figures):
    ratios = [prompt["ratio"] for prompt in figures["prompts"] if prompt["ratio"] is not None]
    ratio = figures["ratio"]
    assert ratio["of"] == "prompts" and ratio["n"] == len(ratios)
    ordered, n = sorted(ratios), len(ratios)
    assert close(ratio["median"]["value"], math.sqrt(ordered[(n - 1) // 2] * ordered[n // 2]))
    assert close(ratio["mean"]["value"], math.prod(ratios) ** (1 / n))
    assert close(ratio["least"], ordered[0]) and close(ratio["most"], ordered[-1])
    for estimate in (ratio["median"], ratio["mean"]):
        assert ratio["least"] <= estimate["low"] <= estimate["value"] <= estimate["high"]
        assert estimate["high"] <= ratio["most"] * (1 + 1e-9)


def test_a_draft_gives_the_same_text(binary):
    text = lines_of({"prompt": "How do I leave?"},
                    {"messages": [{"role": "user", "content": "What is banter?"},
                                  {"role": "assistant", "content": "not read"}]}) + "\n" + \
        lines_of({"prompt": "Count from 1 to 9.", "think": True})
    done = compared(binary, text, "--a", "greedy", "--b", "speculative", "--draft-model", DRAFT,
                    "--rounds", "2", "-n", "48", "--seed", "7", "-o", "json")
    figures = json.loads(expect(done, err="").text)
    assert figures["identical"] and figures["answers"] == figures["identical_answers"] == 6
    assert not figures["cancelled"] and figures["seed"] == "7" and figures["rounds"] == 2
    assert figures["model"]["name"] == "guide" and figures["draft_model"] is not None
    prompts = figures["prompts"]
    assert [prompt["prompt"] for prompt in prompts] == [1, 2, 3]
    assert [prompt["thinking"] for prompt in prompts] == [False, False, True]
    assert prompts[0]["label"] == "How do I leave?"
    for prompt in prompts:
        assert prompt["identical"] and prompt["difference"] is None and prompt["rounds"] == 2
        assert 1 < prompt["tokens"] <= 48 and prompt["stop_reason"] in ("stop", "length")
    assert (figures["a"]["policy"], figures["b"]["policy"]) == ("greedy", "speculative")
    for side in (figures["a"], figures["b"]):
        check_side(side, 2, prompts)
    greedy, drafting = figures["a"]["speculation"], figures["b"]["speculation"]
    assert greedy["proposed"] == 0 and greedy["cycles"] == figures["a"]["tokens"]
    assert drafting["accepted"] > 0 and drafting["cycles"] < greedy["cycles"]
    assert list(drafting["sources"]) == ["draft"]
    check_ratio(figures)


def test_the_same_seed_gives_the_same_tokens(binary):
    done = [compared(binary, lines_of({"prompt": "Tell me something."}), "--a", "greedy", "--b",
                     "ngram", "-n", "40", "--seed", seed, "--temperature", "1.5", "--rounds", "1",
                     "--ignore-eos", "--json", model=golden_model()) for seed in (1, 1, 2)]
    figures = [json.loads(expect(one).text) for one in done]
    assert all(one["identical"] and one["prompts"][0]["tokens"] == 40 for one in figures)
    # One prompt: the interval is over its rounds.
    assert figures[0]["ratio"]["of"] == "rounds" and figures[0]["ratio"]["n"] == 1
    assert figures[0]["ratio"]["median"]["low"] == figures[0]["ratio"]["median"]["value"]


def test_the_table(binary):
    done = run(binary, "ab", "--model", GUIDE, "--draft-model", DRAFT, "--b", "speculative",
               "--rounds", "1", "-n", "30", "--temperature", "0", "How do I leave?",
               "What is \x1b[31mbanter?")
    text = expect(done).text
    assert "greedy (A) and speculative (B) on guide" in text
    assert "identical: 2 of 2 pairs of answers" in text and "DIFFERENT" not in text
    assert "B over A: median" in text and "2 prompts\n" in text and "\x1b" not in text
    assert all(len(line) <= 100 for line in text.splitlines()), text
    rows = [line.split() for line in text.splitlines()]
    accepted = next(row for row in rows if row[:1] == ["accepted"])
    assert accepted[1] == "0" and int(accepted[2]) > 0


def test_policies_are_files(binary):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "mine.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("kind: ngram\nngram:\n  min: 2\n  max: 3\n")
        arguments = ("ab", "--model", GUIDE, "--a", path, "--rounds", "1", "-n", "64",
                     "--temperature", "0", "--ignore-eos", "--json", "Count from 1 to 20.")
        figures = json.loads(expect(run(binary, *arguments)).text)
        assert (figures["a"]["policy"], figures["a"]["kind"]) == ("mine", "ngram")
        assert figures["a"]["speculation"]["verified"] > 0 and figures["identical"]
        # The other one is the policy of the settings.
        assert figures["b"]["policy"] == "auto"
        figures = json.loads(expect(run(binary, *arguments,
                                        variables={"BANTER_POLICY": "mtp"})).text)
        assert figures["b"]["policy"] == "mtp" and figures["identical"]
        with open(path, "w", encoding="utf-8") as file:
            file.write("kind: ngram\nngram:\n  gama: 2\n")
        done = expect(run(binary, *arguments), 78, "")
        assert "mine.yaml:3:" in done.message and "gama" in done.message, done


def test_auto_asks_the_named_sources_alone(binary):
    """There is no draft model here, so that nothing is left but what was not named."""
    used = {}
    for source in ("ngram", "draft"):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "mine.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write("kind: auto\nsources: [%s]\nauto:\n  budget: 1\n" % source)
            done = run(binary, "ab", "--model", GUIDE, "--b", path, "--rounds", "1", "-n", "200",
                       "--temperature", "0", "--ignore-eos", "--json", "Count from 1 to 20.")
        used[source] = list(json.loads(expect(done).text)["b"]["speculation"]["sources"])
    assert used == {"ngram": ["ngram"], "draft": []}, used


def test_a_stop_leaves_what_was_measured(binary):
    program = subprocess.Popen(
        [binary, "ab", "--model", GUIDE, "--b", "ngram", "--rounds", "1000", "-n", "400",
         "--temperature", "0", "--ignore-eos", "--json", "Count from 1 to 20."],
        env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1.5)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert program.returncode == -signal.SIGINT, (program.returncode, err)
    figures = json.loads(out)
    assert figures["cancelled"] and figures["identical"]
    rounds = sum(prompt["rounds"] for prompt in figures["prompts"])
    assert rounds < 1000 and figures["answers"] == rounds
    assert figures["a"]["tokens"] == figures["b"]["tokens"] == 400 * rounds


def test_wrong_files(binary):
    good = lines_of({"prompt": "hi"})
    for text, message in (
            (good + "{\n", "prompts.jsonl:2, offset %d: column" % len(good)),
            (good + "\n" + lines_of({"text": "x"}), "prompts.jsonl:3"),
            (lines_of({"prompt": ""}), "the prompt is empty"),
            (lines_of({"prompt": "x", "think": 1}), '"think" must be true or false'),
            (lines_of({"prompt": "x", "messages": []}), "prompts.jsonl:1"),
            (lines_of({"messages": []}), "no list of messages"),
            (lines_of({"messages": [{"role": "user"}]}), "no role"),
            (lines_of({"messages": [{"role": "assistant", "content": "x"}]}), "no message of a"),
            (lines_of({"messages": [{"role": "user", "content": "x"},
                                    {"role": "user", "content": "x"}]}), "prompts.jsonl:1"),
            ("\n\n", "no prompt is in the file")):
        expect(compared(binary, text, model=golden_model()), 65, "", message)


def test_usage(binary):
    model = ("--model", golden_model())
    expect(run(binary, "ab"), 2, "", "prompts are missing")
    expect(run(binary, "ab", *model, "none.jsonl"), 2, "", "none.jsonl")
    expect(run(binary, "ab", *model, "--a", "tea", "x"), 2, "", "tea")
    expect(run(binary, "ab", *model, "--rounds", "0", "x"), 2, "", "--rounds")
    expect(run(binary, "ab", *model, "--rounds", "1x", "x"), 2, "", "--rounds")
    expect(run(binary, "ab", *model, "--b", "speculative", "x"), 2, "", "draft model")
    expect(run(binary, "ab", *model, "--b", "speculative", "--draft-model", GUIDE, "x"), 2, "",
           "policy speculative: the draft model has")
    expect(run(binary, "ab", "--model", "/nonexistent.gguf", "x"), 3, "", "/nonexistent.gguf")
