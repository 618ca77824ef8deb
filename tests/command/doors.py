"""logits, generate, tokenize, detokenize, info: the doors to the engine for other programs."""
import json
import os
import signal
import struct
import subprocess
import tempfile

from command_support import (GOLDEN, PATIENCE, ROOT, environment, expect, golden_model, run)

IDS = "5,99,7,300,12,88,140,9,31,77,200,411"
N_VOCAB = 512


def logits(binary, *arguments, ids=IDS, variables=None):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "out.f32")
        expect(run(binary, "logits", "-m", golden_model(), "--tokens", ids, "--out", path,
                   *arguments, variables=variables), 0, "")
        assert os.listdir(folder) == ["out.f32"]
        with open(path, "rb") as file:
            return file.read()


def test_logits_have_a_row_for_each_token(binary):
    whole = logits(binary)
    assert len(whole) == 12 * N_VOCAB * 4
    assert all(abs(value) < 1e4 for value in struct.unpack("<%df" % (12 * N_VOCAB), whole))
    assert logits(binary, "--chunk", "5") == whole
    assert logits(binary, "--chunk", "1", "--threads", "1") == whole
    assert logits(binary, "--cpu", "generic") == whole
    assert logits(binary, variables={"BANTER_CPU": "reference"}) != whole
    assert logits(binary, "--kv", "f32") != whole
    assert logits(binary, ids="5,99,7") == whole[:3 * N_VOCAB * 4]


def test_logits_go_where_they_are_told(binary):
    whole = logits(binary)
    base = ["logits", "-m", golden_model(), "--tokens", IDS, "--out"]
    assert expect(run(binary, *base, "-")).out == whole
    expect(run(binary, *base, "/dev/full"), 74, "", "/dev/full: No space left on device")
    expect(run(binary, *base, "/nonexistent/out"), 74, "", "/nonexistent/out")
    with tempfile.TemporaryDirectory() as folder:
        expect(run(binary, *base, folder), 74, "", "Is a directory")
        limited = subprocess.run(["sh", "-c", 'ulimit -f 8; exec "$@"', "sh", binary, *base,
                                  os.path.join(folder, "large")], env=environment(),
                                 capture_output=True, timeout=PATIENCE, check=False)
        assert limited.returncode == 74 and b"File too large" in limited.stderr, limited
        assert os.listdir(folder) == []
        path = os.path.join(folder, "out")
        with open(path, "w", encoding="utf-8") as file:
            file.write("old")
        # What was there stays until the new file is whole.
        expect(run(binary, "logits", "-m", golden_model(), "--tokens", "99999", "--out", path), 2,
               "", "99999")
        assert os.listdir(folder) == ["out"]
        with open(path, encoding="utf-8") as file:
            assert file.read() == "old"
        expect(run(binary, *base, path))
        with open(path, "rb") as file:
            assert file.read() == whole
        # A pipe is written directly.
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        with subprocess.Popen([binary, *base, fifo], env=environment()) as process:
            with open(fifo, "rb") as file:
                assert file.read() == whole
            assert process.wait(timeout=PATIENCE) == 0


def test_token_lists(binary):
    whole = logits(binary)
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(" 5 99,7\n300, 12\t88,140,9,31,77,200,411,\n")
        file.flush()
        assert logits(binary, ids="@" + file.name) == whole
    assert expect(run(binary, "logits", "-m", golden_model(), "--tokens", "-", "--out", "-",
                      stdin=IDS.encode())).out == whole


def generate(binary, *arguments, code=0):
    return expect(run(binary, "generate", "-m", golden_model(), "--tokens", IDS, *arguments), code)


def test_generate_formats_agree(binary):
    settings = ["-n", "20", "--seed", "11", "--temperature", "0.9", "--ignore-eos"]
    ids = generate(binary, *settings).text
    value = json.loads(generate(binary, *settings, "--output", "json").text)
    assert ids == ",".join(map(str, value["ids"])) + "\n"
    assert len(value["ids"]) == 20 and value["stop_reason"] == "length"
    assert value["prompt_ids"] == [int(i) for i in IDS.split(",")]
    assert value["sampling"]["temperature"] == 0.9 and value["seed"] == "11"
    assert value["stop_token"] is None and value["kv"] == "f16"
    raw = generate(binary, *settings, "--output", "text", "--raw").out
    assert raw.decode("utf-8", "replace").replace("\ufffd", "") == \
        value["text"].replace("\ufffd", "")
    again = expect(run(binary, "detokenize", "-m", golden_model(), "--raw", ids.strip())).out
    assert again == raw
    shown = generate(binary, *settings, "--output", "text").out
    assert not any(byte < 32 and byte not in (9, 10) for byte in shown), shown


def test_generate_follows_the_law(binary):
    settings = ["-n", "24", "--seed", "3", "--temperature", "1", "--ignore-eos"]
    ids = generate(binary, *settings).text
    for more in (["-t", "1"], ["-t", "3"], ["--chunk", "1"], ["--chunk", "7"],
                 ["--cpu", "generic"], ["-c", "500"]):
        assert generate(binary, *settings, *more).text == ids, more
    assert generate(binary, *settings, "--seed", "4").text != ids
    greedy = generate(binary, "-n", "24", "--temperature", "0", "--ignore-eos").text
    assert greedy == generate(binary, "-n", "24", "--temperature", "0", "--ignore-eos",
                              "--seed", "9").text
    # A longer answer begins like a shorter one.
    assert ids.strip().startswith(generate(binary, "-n", "8", "--seed", "3", "--temperature", "1",
                                           "--ignore-eos").text.strip())


def test_generate_and_golden_tokens(binary):
    with open(os.path.join(GOLDEN, "golden.json"), encoding="utf-8") as file:
        cases = json.load(file)
    name = "tinyA-q8_0-exact"
    case = cases.get(name) if isinstance(cases, dict) else None
    if case is None:
        path = os.path.join(GOLDEN, name)
        with open(path + ".tokens.i32", "rb") as file:
            tokens = list(struct.unpack("<48i", file.read()))
        with open(path + ".greedy.i32", "rb") as file:
            greedy = list(struct.unpack("<64i", file.read()))
    else:
        tokens, greedy = case["tokens"], case["greedy"]
    done = run(binary, "generate", "-m", golden_model(), "--tokens", ",".join(map(str, tokens)),
               "-n", "64", "--temperature", "0", "--ignore-eos", "--cpu", "reference")
    assert [int(i) for i in expect(done).text.split(",")] == greedy


def test_generate_until_the_context_is_full(binary):
    done = run(binary, "generate", "-m", golden_model(), "--tokens", IDS, "-c", "20",
               "--ignore-eos", "--temperature", "0")
    expect(done, 5, None, "the context of 20 tokens is full")
    assert 8 <= len(done.text.split(",")) <= 9, done
    expect(run(binary, "generate", "-m", golden_model(), "--tokens", IDS, "-c", "8"), 5, "\n"[:0])


def test_generate_interrupted(binary):
    command = [binary, "generate", "-m", golden_model(), "--tokens", IDS, "-c", "32k",
               "--ignore-eos", "--temperature", "0"]
    with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE) as process:
        process.stdout.read(10)
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(timeout=PATIENCE) == -signal.SIGINT
        assert rest.endswith(b"\n")


def test_a_model_that_is_cut_while_it_is_used(binary):
    """One line and exit code 74, not a crash."""
    with tempfile.TemporaryDirectory() as folder:
        path = link(golden_model(), folder, "cut.gguf")
        command = [binary, "generate", "-m", path, "--tokens", IDS, "-c", "32k", "--ignore-eos",
                   "--temperature", "0", "--cpu", "reference"]
        with subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as process:
            process.stdout.read(10)
            os.truncate(path, 4096)
            _, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 74, (process.returncode, err)
        assert err.count(b"\n") == 1 and b"cut.gguf" in err, err


def test_tokens_and_back(binary):
    model = golden_model()
    texts = [b"Hello, world!", "Gr\u00fc\u00dfe \u4f60\u597d \U0001f600\n\ttab".encode(), b"",
             b"broken \xff\xc3\x28 bytes", b"  spaces   and\r\nlines\n"]
    for text in texts:
        ids = expect(run(binary, "tokenize", "-m", model, stdin=text)).text
        assert run(binary, "tokenize", "-m", model, "-", stdin=text).text == ids
        back = expect(run(binary, "detokenize", "-m", model, "--raw", "-", stdin=ids.encode()))
        assert back.out == text, (text, back)
    assert run(binary, "tokenize", "-m", model, "Hello, world!").text == \
        run(binary, "tokenize", "-m", model, stdin=texts[0]).text
    shown = run(binary, "detokenize", "-m", model, stdin=run(
        binary, "tokenize", "-m", model, stdin=b"a\x1b[31mb").out)
    assert shown.text == "a^[[31mb\n", shown


def test_control_tokens_come_only_by_request(binary):
    model = golden_model()
    plain = run(binary, "tokenize", "-m", model, "<|im_end|>").text.strip().split(",")
    special = run(binary, "tokenize", "-m", model, "--special", "<|im_end|>").text.strip()
    assert len(plain) > 1 and "," not in special and special not in plain
    expect(run(binary, "detokenize", "-m", model, special), 0, "")
    expect(run(binary, "detokenize", "-m", model, "--special", special), 0, "<|im_end|>\n")
    joined = run(binary, "detokenize", "-m", model, plain[0], ",".join(plain[1:])).text
    assert joined == "<|im_end|>\n"
    expect(run(binary, "detokenize", "-m", model, "99999"), 2, "", "99999")


def test_info(binary):
    text = expect(run(binary, "info", golden_model())).text
    for words in ("architecture   qwen35\n", "quantisation   Q8_0\n", "full attention",
                  "vocabulary     512 tokens\n", "template       "):
        assert words in text, (words, text)
    assert expect(run(binary, "info", "-m", golden_model())).text == text
    keys = expect(run(binary, "info", golden_model(), "--keys")).text
    assert keys.startswith(text.splitlines()[0]) and "\ngeneral.architecture" in keys
    assert "token_embd.weight" not in keys
    tensors = expect(run(binary, "info", golden_model(), "--tensors")).text
    assert "token_embd.weight" in tensors and "\ntokenizer.ggml.merges" not in tensors
    expect(run(binary, "info", "/nonexistent.gguf"), 3, "", "/nonexistent.gguf")
    expect(run(binary, "info", os.path.join(ROOT, "README.md")), 65, "", "README.md")
    expect(run(binary, "info"), 3, "", "no model")


def link(model, *path):
    path = os.path.join(*path)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(model, "rb") as source, open(path, "wb") as copy:
        copy.write(source.read())
    return path


def test_models_of_other_programs(binary):
    model = golden_model()
    with tempfile.TemporaryDirectory() as home:
        places = [
            link(model, home, "extra", "sub", "own.gguf"),
            link(model, home, ".local/share/banter/models/mine.gguf"),
            link(model, home, ".cache/huggingface/hub/models--a--b/snapshots/123/hub.gguf"),
            link(model, home, ".cache/llama.cpp/lcpp-00001-of-00002.gguf"),
            link(model, home, ".lmstudio/models/org/repo/studio.gguf"),
        ]
        link(model, home, ".cache/llama.cpp/lcpp-00002-of-00002.gguf")
        link(model, home, ".cache/llama.cpp/mmproj-x.gguf")
        link(__file__, home, ".cache/llama.cpp/text.gguf")
        digest = "ab" * 32
        places.append(link(model, home, ".ollama/models/blobs/sha256-" + digest))
        manifest = os.path.join(home, ".ollama/models/manifests/registry.ollama.ai/library/qw/8b")
        os.makedirs(os.path.dirname(manifest))
        layers = [{"mediaType": "application/vnd.ollama.image.model", "digest": "sha256:" + digest},
                  {"mediaType": "application/vnd.ollama.image.model",
                   "digest": "sha256:../../../../etc/passwd"}, {}, 3]
        with open(manifest, "w", encoding="utf-8") as file:
            json.dump({"layers": layers}, file)
        with open(manifest + "-broken", "w", encoding="utf-8") as file:
            file.write("{")
        os.mkfifo(os.path.join(home, ".cache/llama.cpp/pipe.gguf"))
        os.symlink(home, os.path.join(home, ".cache/llama.cpp/loop"))
        os.symlink(places[2], os.path.join(home, "extra", "same.gguf"))
        text = expect(run(binary, "models", cwd=home, variables={
            "HOME": home, "BANTER_MODELS": os.path.join(home, "extra") + ":/nonexistent"})).text
        found = [line for line in text.splitlines() if line.startswith("/")]
        # The link names the same file as the hub's: it comes once, where it is met first.
        places[2] = os.path.join(home, "extra", "same.gguf")
        assert sorted(found) == sorted(places), text
        for words in ("from BANTER_MODELS", "from banter", "from llama.cpp", "from LM Studio",
                      "from ollama", "qw:8b", "in the first of 2 parts", "qwen35, Q8_0, 3.0 MB"):
            assert words in text, (words, text)
        expect(run(binary, "models", cwd="/", variables={"HOME": os.path.join(home, "none")}), 0,
               "", "no model files were found")


def gguf_head(architecture, name=b"x", file_type=7):
    def text(value):
        return struct.pack("<Q", len(value)) + value
    keys = [text(b"general.architecture") + struct.pack("<I", 8) + text(architecture),
            text(b"general.tags") + struct.pack("<IIQ", 9, 8, 2) + text(b"a") + text(b"b"),
            text(b"general.ids") + struct.pack("<IIQ", 9, 4, 3) + bytes(12),
            text(b"general.name") + struct.pack("<I", 8) + text(name),
            text(b"general.file_type") + struct.pack("<II", 4, file_type)]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + b"".join(keys)


def test_models_that_do_not_run(binary):
    with tempfile.TemporaryDirectory() as folder:
        files = {"llama.gguf": gguf_head(b"llama"), "q2.gguf": gguf_head(b"qwen35", file_type=10),
                 "clip.gguf": gguf_head(b"clip"),
                 "old.gguf": b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
                 "evil.gguf": gguf_head(b"qwen35", b"\x1b[2J\nforged line"),
                 "cut.gguf": gguf_head(b"qwen35")[:60],
                 "huge.gguf": b"GGUF" + struct.pack("<IQQ", 3, 0, 2 ** 63) +
                              struct.pack("<Q", 2 ** 64 - 1)}
        for name, content in files.items():
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        text = expect(run(binary, "models", cwd=folder)).text
        assert "\x1b" not in text and "\nforged" not in text and "^[[2J" in text, text
        assert "clip" not in text
        for name, words in (("llama", "its architecture is not supported"),
                            ("q2", "its quantisation, Q2_K, is not supported"),
                            ("old", "its GGUF version is not 2 or 3")):
            entry = text.split("./%s.gguf\n" % name, 1)[1].split("\n", 1)[0]
            assert words in entry, text
        # Those that run stand first.
        assert text.index("./evil.gguf") < text.index("./llama.gguf"), text
