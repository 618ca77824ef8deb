"""Decode policies from the command line: the same text by each of them, files, traces."""
import json
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

from command_support import ROOT, environment, expect, run, script_file

KINDS = ["greedy", "ngram", "speculative", "mtp", "auto"]
GUIDE = os.path.join(ROOT, "config", "models", "guide.gguf")
# Words that repeat, so that there is something to propose.
PROMPT = ",".join(["50,61,72,83,94,105,116,127"] * 6)


def guide():
    if not os.path.exists(GUIDE):
        raise unittest.SkipTest("no guide.gguf")
    return {"BANTER_GUIDE": GUIDE}


def generate(binary, *arguments, n_tokens=64):
    return run(binary, "generate", "--model", "guide", "--tokens", PROMPT, "--ignore-eos",
               "--max-tokens", n_tokens, "--seed", 3, *arguments, variables=guide())


def folder_with(name, text):
    """A configuration home that holds one policy; the caller keeps it while it is used."""
    home = tempfile.TemporaryDirectory()
    os.makedirs(os.path.join(home.name, "banter", "policies"))
    path = os.path.join(home.name, "banter", "policies", name + ".yaml")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return home, path


def test_list(binary):
    names = [row["name"] for row in json.loads(run(binary, "policy", "list", "-o", "json").text)]
    assert names == KINDS + ["bold", "careful"], names
    home, path = folder_with("mine", 'description: "my \\e[31m own"\nkind: ngram\n')
    variables = {"XDG_CONFIG_HOME": home.name}
    done = expect(run(binary, "policy", "list", variables=variables))
    assert "my ^[[31m own\n" in done.text and path in done.text, done
    rows = json.loads(run(binary, "policy", "list", "-o", "json", variables=variables).text)
    assert rows[-1] == {"name": "mine", "description": "my \x1b[31m own", "path": path,
                        "kind": "ngram"}, rows
    with open(path, "w", encoding="utf-8") as file:
        file.write("kind: gram\n")
    rows = json.loads(run(binary, "policy", "list", "-o", "json", variables=variables).text)
    assert rows[-1]["kind"] is None and rows[-1]["problem"].startswith(path + ":1:7: "), rows
    assert "mine         wrong" in run(binary, "policy", "list", variables=variables).text
    home.cleanup()


def test_what_show_prints_is_a_policy(binary):
    for name in KINDS + ["bold", "careful"]:
        done = expect(run(binary, "policy", "show", name))
        with tempfile.NamedTemporaryFile("w", suffix=".yaml", encoding="utf-8") as file:
            file.write(done.text)
            file.flush()
            expect(run(binary, "policy", "check", file.name), 0, file.name + ": good\n")
            again = expect(run(binary, "policy", "show", file.name))
            assert again.text.split("\n", 1)[1] == done.text.split("\n", 1)[1], name
            settings = json.loads(run(binary, "policy", "show", name, "-o", "json").text)
            copy = json.loads(run(binary, "policy", "show", file.name, "-o", "json").text)
            assert settings["settings"] == copy["settings"], name
    assert settings["settings"]["auto"]["budget"] == 0.01  # careful's


def test_check(binary):
    done = expect(run(binary, "policy", "check"))
    assert done.text.count(": good\n") == 7, done
    expect(run(binary, "policy", "check", "bold"))
    home, path = folder_with("mine", "kind: ngram\nngram:\n  gama: 3\n  min: 90\n")
    for arguments, variables in (((path,), {}), ((), {"XDG_CONFIG_HOME": home.name})):
        done = expect(run(binary, "policy", "check", *arguments, variables=variables), 78)
        assert done.message == (
            path + ':3:3: unknown key "ngram.gama" (did you mean "ngram.gamma"?)\n' +
            path + ":4:8: ngram.min: '90' is not a whole number in 1 .. 64\n"), done
    expect(run(binary, "policy", "show", path), 78, "", path + ":3:3: ")
    expect(run(binary, "policy", "check", home.name + "/none.yaml"), 78, "",
           "No such file or directory")
    home.cleanup()


def test_usage(binary):
    for arguments, message in [
            ([], "policy needs list, show, check or schema"),
            (["edit"], "policy knows list, show, check and schema"),
            (["list", "x"], 'unexpected "x"'),
            (["show"], "policy show needs a name"),
            (["show", "caerful"], 'called "caerful" (did you mean "careful"?)'),
            (["check", "zzzzz"], 'no decode policy is called "zzzzz"'),
            (["check", "bold", "-o", "json"], "policy check has no --output"),
            (["show", "auto", "bold"], 'unexpected "bold"')]:
        expect(run(binary, "policy", *arguments), 2, "", message)


def test_every_policy_gives_the_same_text(binary):
    for temperature in (0, 1.3):
        plain = None
        for name in KINDS + ["bold", "careful"]:
            done = expect(generate(binary, "--policy", name, "--temperature", temperature,
                                   "--output", "json"))
            answer = json.loads(done.text)
            speculation = answer["statistics"]["speculation"]
            plain = plain or answer["ids"]
            assert answer["ids"] == plain, (name, temperature)
            assert answer["policy"] == name
            assert speculation["emitted"] == len(plain) == 64, speculation
            if name == "greedy":
                assert speculation["verified"] == 0, speculation
            if name in ("ngram", "speculative", "mtp"):
                assert speculation["verified"] > 0, (name, speculation)
                source = "draft" if name == "speculative" else name
                assert list(speculation["sources"]) == [source], speculation
        texts = {generate(binary, "--policy", name, "--temperature", temperature, "--output",
                          "text").out for name in ("greedy", "ngram")}
        assert len(texts) == 1, texts


def test_files_of_policies_are_heard(binary):
    home, path = folder_with("mine", "kind: ngram\nngram: {min: 2, max: 3, gamma: 4}\n")
    for name, variables in ((path, {}), ("mine", {"XDG_CONFIG_HOME": home.name})):
        done = run(binary, "generate", "--model", "guide", "--tokens", PROMPT, "--ignore-eos",
                   "-n", 64, "--seed", 3, "--temperature", 0, "-P", name, "--output", "json",
                   variables={**guide(), **variables})
        answer = json.loads(expect(done).text)
        speculation = answer["statistics"]["speculation"]
        assert answer["policy"] == "mine" and speculation["verified"] > 0, answer
        assert len(speculation["position_verified"]) <= 4, speculation
    home.cleanup()


def test_wrong_policies(binary):
    expect(generate(binary, "--policy", "ngrm"), 2, "",
           'no decode policy is called "ngrm" (did you mean "ngram"?)')
    home, path = folder_with("mine", "kind: ngram\ndecay: soon\n")
    with open(os.path.join(home.name, "banter", "config.yaml"), "w", encoding="utf-8") as file:
        file.write("decode:\n  policy: ngrm\n")
    with script_file("answer\ntext hello\n") as script:
        shot = ["-p", "x", "--engine", "script:" + script.name]
        expect(run(binary, *shot, "-P", path), 78, "", path + ":2:8: decay: 'soon' is not")
        expect(run(binary, *shot, variables={"XDG_CONFIG_HOME": home.name}), 78, "",
               "config.yaml:2: no decode policy is called")
        expect(run(binary, *shot, variables={"BANTER_POLICY": "x"}), 78, "", "BANTER_POLICY: ")
        done = expect(run(binary, *shot, "-P", "greedy", "--output", "json"))
        assert json.loads(done.text)["policy"] == "greedy", done
    home.cleanup()


def test_drafts(binary):
    tiny = os.path.join(ROOT, "tests", "golden", "data", "tinyA-q8_0.gguf")
    model = ["generate", "--model", tiny, "--tokens", "1,2,3", "-n", 4]
    expect(run(binary, *model, "--policy", "speculative"), 2, "", "needs a draft model")
    expect(run(binary, *model, "--policy", "speculative", "--draft-model", "guide",
               variables=guide()), 2, "", "the draft model has 2048 tokens")
    # The model may draft for itself, from a session of its own: it is always right.
    done = expect(run(binary, *model, "--policy", "speculative", "--draft-model", tiny,
                      "--temperature", 1, "--seed", 5, "--output", "json", "-n", 40,
                      "--ignore-eos"))
    speculation = json.loads(done.text)["statistics"]["speculation"]
    assert speculation["verified"] == speculation["accepted"] > 10, speculation


def test_trace(binary):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.jsonl")
        with open(path, "w", encoding="utf-8") as file:
            file.write("what was there before\n" * 9999)
        done = expect(generate(binary, "--policy", "ngram", "--temperature", 0, "--trace", path,
                               "--output", "json"))
        speculation = json.loads(done.text)["statistics"]["speculation"]
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        assert len(lines) == speculation["cycles"] > 10, len(lines)
        for key in ("proposed", "verified", "accepted"):
            assert sum(line[key] for line in lines) == speculation[key], key
        positions = [line["position"] for line in lines]
        assert positions == sorted(positions) and len(set(positions)) == len(positions)
        assert {line["decision"] for line in lines} == {"plain", "verify"}, lines
        assert {line["source"] for line in lines if line["verified"]} == {"ngram"}, lines
        assert all(line["reason"] for line in lines)


def test_one_answer(binary):
    """The same through the engine thread, with the draft that comes with the model."""
    def ask(name, *arguments):
        return run(binary, "-p", "List all slash commands", "--seed", 4, "-n", 40, "--policy",
                   name, *arguments, variables=guide())

    plain = json.loads(expect(ask("greedy", "--output", "json")).text)
    assert plain["statistics"]["policy_kind"] == "greedy" and plain["policy"] == "greedy", plain
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.jsonl")
        answer = json.loads(expect(ask("speculative", "--output", "json", "--trace", path)).text)
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
    speculation = answer["statistics"]["speculation"]
    assert answer["answer"] == plain["answer"] and len(plain["answer"]) > 20, (answer, plain)
    assert answer["statistics"]["policy_kind"] == "speculative", answer
    assert sum(line["verified"] for line in lines) == speculation["verified"] > 0, speculation
    assert len(lines) == speculation["cycles"] < plain["statistics"]["speculation"]["cycles"]
    done = expect(ask("auto", "--trace", "/dev/full"))
    assert done.text.rstrip("\n") == plain["answer"].rstrip("\n"), done
    assert done.message.count("No space left on device") == 1, done


def test_trace_that_cannot_be_written(binary):
    plain = generate(binary, "--temperature", 0, "--output", "text").out
    done = expect(generate(binary, "--temperature", 0, "--output", "text", "--trace", "/dev/full"))
    assert done.out == plain, done
    assert done.message.count("\n") == 1 and "No space left on device" in done.message, done
    with tempfile.TemporaryDirectory() as folder:
        # A disk that fills up in the middle of a line: the lines before it are whole.
        path = os.path.join(folder, "trace.jsonl")
        words = ["generate", "--model", "guide", "--tokens", PROMPT, "--ignore-eos", "-n", "64",
                 "--seed", "3", "--temperature", "0", "--output", "text", "--trace", path]
        done = subprocess.run(["sh", "-c", 'ulimit -f 9; exec "$@"', "sh", binary, *words],
                              env=environment(**guide()), capture_output=True, timeout=60,
                              check=False)
        assert done.returncode == 0 and done.stdout == plain, done
        assert done.stderr.count(b"\n") == 1 and b"File too large" in done.stderr, done
        with open(path, encoding="utf-8") as file:
            text = file.read()
        assert 1000 < len(text) < 9 * 1024 and text.endswith("}\n"), text
        assert all(json.loads(line)["reason"] for line in text.splitlines())
    with script_file("answer\ntext hello\n") as script, tempfile.TemporaryDirectory() as folder:
        shot = ["-p", "x", "--engine", "script:" + script.name, "--trace"]
        for path in ("/nonexistent/trace", folder):
            done = expect(run(binary, *shot, path), 74, "", "the trace cannot be written")
            assert done.message.count("\n") == 1, done
        # A pipe that nobody reads does not hold the answer up.
        pipe = os.path.join(folder, "pipe")
        os.mkfifo(pipe)
        expect(run(binary, *shot, pipe), 74, "", "the trace cannot be written")
    expect(generate(binary, "--trace", "/nonexistent/trace"), 74, "", "/nonexistent/trace")


def test_installed_policies_are_found(binary):
    """The program in bin/ finds them in share/, whatever the current folder is."""
    with tempfile.TemporaryDirectory() as prefix:
        os.makedirs(os.path.join(prefix, "bin"))
        os.makedirs(os.path.join(prefix, "share", "banter", "policies"))
        program = os.path.join(prefix, "bin", "banter")
        shutil.copy(binary, program)
        path = os.path.join(prefix, "share", "banter", "policies", "shipped.yaml")
        with open(path, "w", encoding="utf-8") as file:
            file.write("kind: mtp\n")
        done = subprocess.run([program, "policy", "show", "shipped", "-o", "json"], cwd=prefix,
                              env=environment(), capture_output=True, timeout=60, check=True)
        assert json.loads(done.stdout)["path"] == path, done
