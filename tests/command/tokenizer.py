"""`banter tokenizer`: vocabularies from files, and what such a file is good for."""
import os
import sys
import tempfile
import unittest
import urllib.parse

from command_support import ROOT, expect, run

sys.path.insert(0, os.path.join(ROOT, "tests", "golden"))
try:
    import write_models
except ImportError:  # it needs numpy
    write_models = None

TEXT = "the cat sat on the mat, the cat sat on the hat.\nNo cat, no hat: 12 mats.\n" * 3


def folder_with(**files):
    """A folder that lives as long as the object, with files of these names (dots as _)."""
    folder = tempfile.TemporaryDirectory()
    for name, text in files.items():
        path = os.path.join(folder.name, name.replace("_", "."))
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
    return folder


def test_a_file_that_tokenizes(binary):
    with folder_with(a_txt=TEXT) as name:
        out = os.path.join(name, "out.gguf")
        done = run(binary, "tokenizer", "--data", "a.txt", "--size", 275, "--out", out, cwd=name)
        expect(done, 0, out + ": 275 tokens\n", "")
        assert done.err == b"", done
        text = TEXT + "\0 Grüße <|im_end|> <think>\u2028 unseen"
        ids = expect(run(binary, "tokenize", "--model", out, "-", stdin=text.encode())).text
        numbers = [int(number) for number in ids.split(",")]
        assert max(numbers) < 270 and len(numbers) < len(text.encode()), ids
        back = run(binary, "detokenize", "--raw", "--model", out, ids)
        assert back.out == text.encode(), back
        special = run(binary, "tokenize", "--special", "--model", out, "<|im_end|>").text
        assert special == "272\n", special
        info = expect(run(binary, "info", out)).text
        assert "differs" not in info and "qwen3.5" in info, info


def test_order_of_files_changes_nothing(binary):
    lines = ('{"messages": [{"role": "user", "content": "what is a cat?"}, '
             '{"role": "assistant", "thinking": "a cat", "content": "a mat"}]}\n'
             '\n{"text": "the mat"}\n')
    with folder_with(a_txt=TEXT, b_jsonl=lines) as name:
        for out, names in (("1", ("a.txt", "b.jsonl")), ("2", ("b.jsonl", "a.txt"))):
            expect(run(binary, "tokenizer", "--data", *names, "--size", "290", "--out", out,
                       cwd=name))
        first, second = (open(os.path.join(name, out), "rb").read() for out in ("1", "2"))
        assert first == second and len(first) > 4000


def test_strings_of_jsonl_are_the_texts(binary):
    chat = ('{"id": "zzzz zzzz", "messages": [{"role": "user", "content": "yyyy yyyy"}, '
            '{"role": "user", "content": "say \\"xx\\" xx xx", "thinking": "wwww wwww"}]}\n')
    with folder_with(a_jsonl=chat) as name:
        done = run(binary, "tokenizer", "--data", "a.jsonl", "--size", "2000", "--out", "out",
                   cwd=name)
        expect(done, 0, err="instead of 2000: no two tokens stand side by side twice any more")
        tokens = reader_keys(os.path.join(name, "out"))["tokenizer.ggml.tokens"]
        for wanted in (b"yyyy", b"xx", b"wwww", b"user", "\u010a\u010a".encode()):
            assert wanted in tokens, (wanted, tokens[256:])
        assert b"zz" not in tokens and b"id" not in tokens


def reader_keys(path):
    if write_models is None:
        raise unittest.SkipTest("python3-numpy is not installed")
    return write_models.Reader(path).keys()


def test_files_of_lines_may_be_of_any_length(binary):
    """More than the 64 MiB that one text may have: what is counted are words."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "a.jsonl")
        with open(path, "w", encoding="ascii") as file:
            file.write('{"text": "the cat"}\n' + (" " * ((1 << 20) - 1) + "\n") * 65)
        expect(run(binary, "tokenizer", "--data", path, "--size", "300", "--out",
                   os.path.join(folder, "out")), 0)


def test_damaged_lines_are_named(binary):
    cases = (
        ('{"text": "a"}\n{"text": "b}\n', "a.jsonl:2: not JSON"),
        ('{"text": "a"}\n\n{"txt": "b"}\n', "(offset 15)"),
        ('{"text": "a"}\n\n{"txt": "b"}\n', "a.jsonl:3: no text"),
        ('{"text": "a"}\n7\n', "a.jsonl:2: not JSON"),
        ('{"text": "a", "text": "b"}\n', "a.jsonl:1: not JSON"),
        ('{"text": "\\ud800"}\n', "a.jsonl:1: not JSON"),
        ('[' * 5000 + '\n', "a.jsonl:1: not JSON"),
    )
    for text, message in cases:
        with folder_with(a_jsonl=text) as name:
            done = run(binary, "tokenizer", "--data", "a.jsonl", "--size", "300", "--out",
                       "out", cwd=name)
            expect(done, 65, "", message)
            assert not os.path.exists(os.path.join(name, "out"))


def test_usage(binary):
    with folder_with(a_txt=TEXT) as name:
        def fails(code, message, *arguments):
            expect(run(binary, "tokenizer", *arguments, cwd=name), code, "", message)
        fails(2, "tokenizer needs --data, --size and --out", "--size", "300")
        for size in ("260", "many", "-3", "2e3", "99999999999999999999", ""):
            fails(2, "--size must be a number in [261, 1048576]", "--data", "a.txt", "--size",
                  size, "--out", "out")
        fails(2, "missing.txt", "--data", "a.txt", "missing.txt", "--size", "300", "--out", "o")
        fails(74, "nowhere", "--data", "a.txt", "--size", "270", "--out", "nowhere/out")
        assert os.listdir(name) == ["a.txt"]


def golden_cases():
    """Prompts with thinking on or off: (on or off, messages, text)."""
    path = os.path.join(ROOT, "tests", "golden", "data", "template.cases")
    with open(path, encoding="ascii") as file:
        for case in file.read().split("case ")[1:]:
            head, *lines = case.splitlines()
            template, thinking, form = head.split()
            if template != "qwen3.5" or form != "generate" or thinking == "default":
                continue
            messages = []
            for line in lines[:-1]:
                role, *texts = line.split(" ")
                texts = [urllib.parse.unquote(text[1:]) for text in texts]
                messages.append({"role": role, "content": texts[0]})
                if len(texts) > 1:
                    messages[-1]["reasoning_content"] = texts[1]
            yield thinking, messages, urllib.parse.unquote(lines[-1].split(" =", 1)[1])


def test_the_file_s_template_renders_as_the_engine(binary):
    """Conversations of the golden cases, by the template that the file carries.  Its default is
    not to think, so those cases that leave it open are not for it."""
    try:
        import jinja2.sandbox
    except ImportError:
        raise unittest.SkipTest("python3-jinja2 is not installed") from None
    with folder_with(a_txt=TEXT) as name:
        out = os.path.join(name, "out")
        expect(run(binary, "tokenizer", "--data", "a.txt", "--size", "261", "--out", out,
                   cwd=name))
        source = reader_keys(out)["tokenizer.chat_template"].decode()
    count = 0
    for blocks in (False, True):
        environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=blocks,
                                                                   lstrip_blocks=blocks)
        template = environment.from_string(source)
        for thinking, messages, wanted in golden_cases():
            text = template.render(messages=messages, add_generation_prompt=True,
                                   enable_thinking=thinking == "on")
            assert text == wanted, (messages, text, wanted)
            count += 1
    assert count > 20, count
