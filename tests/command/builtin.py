"""The model in the box: where it is found, when it answers, how it is installed and made.

A golden model stands in for it.
"""
import json
import os
import shutil
import stat
import subprocess
import tempfile

from command_support import PATIENCE, ROOT, environment, expect, golden_model, run


class Box:
    """A folder with stand-ins for both models; `run` knows them by BANTER_GUIDE."""

    def __init__(self, binary):
        self.binary = binary
        self.folder = tempfile.TemporaryDirectory()
        self.path = os.path.realpath(self.folder.name)
        self.guide = self.put("box/guide.gguf")
        self.draft = self.put("box/guide-draft.gguf")

    def put(self, name, source=None):
        path = os.path.join(self.path, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        shutil.copy(source or golden_model(), path)
        return path

    def run(self, *arguments, binary=None, cwd=None, **variables):
        variables = {"BANTER_GUIDE": self.guide, **variables}
        return run(binary or self.binary, *arguments, variables=variables, cwd=cwd or self.path)

    def file(self, *arguments, **more):
        """The file of the model that `banter info` opens."""
        done = expect(self.run("info", *arguments, **more))
        return [line.split(None, 1)[1] for line in done.text.splitlines()
                if line.startswith("file ")][0]


def test_it_answers_when_no_other_is_named(binary):
    box = Box(binary)
    done = expect(box.run("-p", "hello", "-n", "8", "--seed", "1"), 0, None, "guide answers")
    assert "--model FILE" in done.message.splitlines()[0], done
    named = expect(box.run("-p", "hello", "-n", "8", "--seed", "1", "-m", box.guide), 0, done.text)
    assert "guide answers" not in named.message, named
    named = expect(box.run("-p", "hello", "-n", "8", "--seed", "1", "-m", "guide"), 0, done.text)
    assert "guide answers" not in named.message, named
    value = json.loads(box.run("-p", "hello", "-n", "8", "--seed", "1", "-o", "json").text)
    assert value["answer"].strip() == done.text.strip(), value
    expect(box.run("-p", "hello", BANTER_GUIDE=""), 3, "", "no model")


def test_what_is_named_is_never_replaced(binary):
    box = Box(binary)
    for call in (["-p", "x", "-m", "missing.gguf"], ["info", "-m", "missing.gguf"]):
        done = expect(box.run(*call), 3, "", "missing.gguf")
        assert "guide" not in done.message, done
    expect(box.run("-p", "x", BANTER_MODEL="missing.gguf"), 3, "", "missing.gguf")
    expect(box.run("-p", "x", BANTER_GUIDE="missing/guide.gguf"), 3, "", "missing/guide.gguf")
    expect(box.run("-p", "x", "-m", "guide", BANTER_GUIDE=""), 3, "", "guide: cannot open")
    with open(os.path.join(box.path, "text"), "w", encoding="ascii") as file:
        file.write("no model\n")
    expect(box.run("-p", "x", BANTER_GUIDE=file.name), 65, "", "text")


def test_other_commands_ask_for_a_model(binary):
    box = Box(binary)
    for call in (["generate", "--tokens", "1"], ["logits", "--tokens", "1", "--out", "-"],
                 ["tokenize", "x"], ["detokenize", "1"], ["info"]):
        expect(box.run(*call), 3, "", "no model: give one with --model FILE")
    expect(box.run("generate", "--tokens", "1,2", "-n", "3", "-m", "guide"))


def test_its_name(binary):
    box = Box(binary)
    os.mkdir(os.path.join(box.path, "guide"))
    assert box.file("guide") == box.guide and box.file("-m", "guide-draft") == box.draft
    assert box.file(BANTER_MODEL="guide") == box.guide
    with open(os.path.join(box.path, "none.jsonl"), "w", encoding="ascii"):
        pass
    done = box.run("grade", "-m", "guide", "--draft", "guide-draft", "none.jsonl")
    assert "cannot open" not in done.message, done
    for folder, text in (("etc", "guide"), ("etc", "./guide"), ("guide", "guide")):
        os.makedirs(os.path.join(box.path, folder), exist_ok=True)
        config = os.path.join(box.path, folder, "config.yaml")
        with open(config, "w", encoding="ascii") as file:
            file.write("engine:\n  model: %s\n" % text)
        if text == "guide":
            assert box.file("--config", config) == box.guide
            assert box.file("--config", os.path.join(folder, "config.yaml")) == box.guide
        else:
            expect(box.run("info", "--config", config), 3)
    shutil.rmtree(os.path.join(box.path, "guide"))
    # A file of that name is what its name says.
    box.put("guide")
    assert box.file("guide") == "guide" and box.file("guide", cwd="/") == box.guide
    box.put("etc/guide")
    config = os.path.join(box.path, "etc", "config.yaml")
    with open(config, "w", encoding="ascii") as file:
        file.write("engine:\n  model: guide\n")
    assert box.file("--config", config) == os.path.join(box.path, "etc", "guide")


def test_where_it_is_found(binary):
    box = Box(binary)
    for program, model in (("tree/build/kind/banter", "tree/config/models"),
                           ("usr/bin/banter", "usr/share/banter/models")):
        program = box.put(program, binary)
        expected = box.put(model + "/guide.gguf")
        assert box.file("guide", binary=program, BANTER_GUIDE=None, cwd="/") == expected
        os.symlink(program, os.path.join(box.path, "link"))
        assert box.file("guide", binary=os.path.join(box.path, "link"), BANTER_GUIDE=None) \
            == expected
        os.remove(os.path.join(box.path, "link"))
        # Each of the two is looked for by itself; the variable counts more.
        expect(box.run("info", "guide-draft", binary=program, BANTER_GUIDE=None), 3)
        assert box.file("guide", binary=program) == box.guide
        expect(box.run("-p", "x", binary=program, BANTER_GUIDE=""), 3, "", "no model")


def test_models_lists_it(binary):
    box = Box(binary)
    listed = expect(box.run("models", BANTER_MODELS=box.path)).text
    assert listed.count("built in") == 2 and listed.count(box.guide) == 1, listed
    assert "    guide, qwen35" in listed and "    guide-draft, qwen35" in listed, listed
    assert "built in" not in expect(box.run("models", BANTER_GUIDE="")).text


def make(*arguments, **variables):
    done = subprocess.run(["make", "--no-print-directory", "INSTALL=no", *arguments], cwd=ROOT,
                          env=environment(**variables), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=PATIENCE, check=False)
    return done.returncode, done.stdout


def files_below(folder):
    return sorted(os.path.relpath(os.path.join(place, name), folder)
                  for place, _, names in os.walk(folder) for name in names)


def test_install_and_uninstall(binary):
    box = Box(binary)
    target = os.path.join(box.path, "root")
    call = ["-o", "all", "BUILD=" + os.path.dirname(binary), "DESTDIR=" + target, "PREFIX=/usr",
            "models=%s %s" % (box.guide, box.draft)]
    code, output = make("install", *call)
    assert code == 0, output
    model = os.path.join(target, "usr/share/banter/models/guide.gguf")
    assert box.file("guide", binary=os.path.join(target, "usr/bin/banter"),
                    BANTER_GUIDE=None) == model
    assert "usr/share/banter/models/guide-draft.gguf" in files_below(target)
    code, output = make("uninstall", *call)
    assert code == 0 and files_below(target) == [], output
    assert not os.path.exists(os.path.join(target, "usr/share/banter")), output
    # Without models too, and what somebody else put there stays.
    code, output = make("install", *call[:-1], "models=")
    assert code == 0, output
    box.put("root/usr/share/banter/models/mine.gguf")
    code, output = make("uninstall", *call)
    assert code == 0 and files_below(target) == ["usr/share/banter/models/mine.gguf"], output


STAND_IN = """#!/bin/sh
echo "$@" >>"$LOG"
[ "$1" != train ] || [ ! -e "$LOG.stop" ] || exit 1
[ "$1" != grade ] || echo "facts 90 %"
command=$1
while [ $# -gt 1 ]; do
    [ "$1" = --out ] && case $command in
        dataset) mkdir "$2" && touch "$2/train.jsonl" "$2/held-out.jsonl";;
        *) touch "$2";;
    esac
    shift
done
exit 0
"""


def test_the_recipe_goes_on_where_it_was(_binary):
    with tempfile.TemporaryDirectory() as folder:
        program, log = os.path.join(folder, "banter"), os.path.join(folder, "log")
        with open(program, "w", encoding="ascii") as script:
            script.write(STAND_IN)
        os.chmod(program, stat.S_IRWXU)
        call = ["guide", "-o", "all", "-o", program, "BUILD=" + folder,
                "guide_tree=" + os.path.join(folder, "guide")]

        def commands(stop=False):
            for path in [log] + ([] if stop else [log + ".stop"]):
                if os.path.exists(path):
                    os.remove(path)
            if stop:
                open(log + ".stop", "w", encoding="ascii").close()
            code, output = make(*call, LOG=log)
            assert (code != 0) == stop, output
            if not os.path.exists(log):
                return [], output
            with open(log, encoding="ascii") as lines:
                return [line.split() for line in lines], output

        did, _ = commands(stop=True)
        assert [words[0] for words in did] == ["dataset", "tokenizer", "train"], did
        assert "--resume" in did[2] and "--checkpoint" in did[2], did
        did, output = commands()
        assert [words[0] for words in did] == ["train", "train", "train", "grade"], did
        assert "--from" in did[1] and "--from" not in did[2], did
        assert "facts 90 %" in output and "config/models" in output, output
        did, output = commands()
        assert did == [] and "facts 90 %" in output, output
