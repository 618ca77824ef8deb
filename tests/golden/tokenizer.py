"""The tokenizer against another one: Python's re cuts the words, the merges are done by definition.

The published expressions need \\p{L} and its like, which re lacks.  So each character is replaced by
one that stands for its class, and the expression speaks of those; the places of the cuts are the same.
"""
import os
import random
import re
import struct
import subprocess
import tempfile
import unicodedata
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MODEL = os.path.join(HERE, "data", "tinyA-q8_0.gguf")
TABLE = os.path.join(ROOT, "engine", "text", "unicode_table.h")
# Characters that are new in another version of Unicode have another class there.
TABLE_VERSION = re.search('UNICODE_TABLE_VERSION "(.*)"', open(TABLE, encoding="utf-8").read())[1]
SAME_UNICODE = unicodedata.unidata_version == TABLE_VERSION
SPACES = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
          0x202F, 0x205F, 0x3000}

# Stand-ins: ASCII letters for themselves, \xe9 another letter, \u0301 a mark, 1 a number,
# \xa0 other whitespace, # anything else.
LETTER, MARK, NUMBER, BREAK, SPACE = "A-Za-z\xe9", "\u0301", "1", "\r\n", " \r\n\xa0"
WORDS = {
    "qwen35": re.compile(
        "'[sStTmMdD]|'[rR][eE]|'[vV][eE]|'[lL][lL]"
        f"|[^{BREAK}{LETTER}{NUMBER}]?[{LETTER}{MARK}]+|[{NUMBER}]"
        f"| ?[^{SPACE}{LETTER}{MARK}{NUMBER}]+[{BREAK}]*"
        f"|[{SPACE}]*[{BREAK}]+|[{SPACE}]+(?![^{SPACE}])|[{SPACE}]+"),
    "qwen2": re.compile(
        "'[sStTmMdD]|'[rR][eE]|'[vV][eE]|'[lL][lL]"
        f"|[^{BREAK}{LETTER}{NUMBER}]?[{LETTER}]+|[{NUMBER}]"
        f"| ?[^{SPACE}{LETTER}{NUMBER}]+[{BREAK}]*"
        f"|[{SPACE}]*[{BREAK}]+|[{SPACE}]+(?![^{SPACE}])|[{SPACE}]+"),
}


def stand_in(character):
    if character in " \r\n'" or character.isascii() and character.isalpha():
        return character
    if ord(character) in SPACES:
        return "\xa0"
    kind = unicodedata.category(character)
    # A byte that is not UTF-8 was decoded to a lone surrogate, category Cs.
    return {"L": "\xe9", "M": "\u0301", "N": "1"}.get(kind[0], "#")


def cut(pre, data):
    """data: bytes; the words of it."""
    text = data.decode("utf-8", "surrogateescape")
    spans = [m.span() for m in WORDS[pre].finditer("".join(map(stand_in, text)))]
    assert [0] + [end for _, end in spans] == [start for start, _ in spans] + [len(text)]
    return [text[start:end].encode("utf-8", "surrogateescape") for start, end in spans]


def read_keys(path):
    """Keys of a GGUF file that are strings or arrays of strings."""
    data = open(path, "rb").read(2_000_000)
    sizes = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
    at, keys = 24, {}

    def string():
        nonlocal at
        n = struct.unpack_from("<Q", data, at)[0]
        at += 8 + n
        return data[at - n:at]
    for _ in range(struct.unpack_from("<Q", data, 16)[0]):
        name, kind = string().decode(), struct.unpack_from("<I", data, at)[0]
        at += 4
        if kind == 8:
            keys[name] = string()
        elif kind == 9:
            kind, n = struct.unpack_from("<IQ", data, at)
            at += 12
            if kind == 8:
                keys[name] = [string() for _ in range(n)]
            else:
                at += n * sizes[kind]
        else:
            at += sizes[kind]
    return keys


class Reference:
    """Merging by definition: the lowest rank, the leftmost of equals, until none is left."""

    def __init__(self, path):
        keys = read_keys(path)
        own = [b for b in range(256) if 33 <= b <= 126 or 161 <= b <= 172 or b >= 174]
        rest = [b for b in range(256) if b not in own]
        self.map = {b: chr(b) for b in own} | {b: chr(256 + i) for i, b in enumerate(rest)}
        self.ids = {}
        for number, token in enumerate(keys["tokenizer.ggml.tokens"]):
            self.ids.setdefault(token.decode(), number)
        self.ranks = {tuple(merge.decode().split(" ")): rank
                      for rank, merge in enumerate(keys["tokenizer.ggml.merges"])}

    def tokens(self, data):
        for word in cut("qwen35", data):
            parts = [self.map[byte] for byte in word]
            while len(parts) > 1:
                rank, i = min((self.ranks.get(pair, 1 << 60), i)
                              for i, pair in enumerate(zip(parts, parts[1:])))
                if rank == 1 << 60:
                    break
                parts[i:i + 2] = [parts[i] + parts[i + 1]]
            yield from (self.ids[part] for part in parts)


def escaped(data):
    return "=" + "".join(chr(b) if 33 <= b <= 126 and b != 37 else "%%%02X" % b for b in data)


def random_text(choice):
    """Characters from every class and the places where the expressions change their mind."""
    common = ("  \n\r\t'ssSttrRevVlLmMdD.,!?-#019aeinortxyz", "\u00a0\u3000\u2028\u0085\u1680",
              "\u0301\u0300\u20dd\u0903", "\u00e9\u4e2d\u0434\u05d0\u1e9e\u017f\ua4d0\U00020000",
              "\u00bd\u2167\u0663\U0001d7d8\u3007", "\u200b\u200d\ufeff\U0001f600\u00ad\u0378\x00\x1c")
    out = b""
    for _ in range(choice.randrange(40)):
        kind = choice.randrange(20)
        if kind == 0:
            out += bytes([choice.randrange(256)])
        elif kind == 1:
            code_point = choice.randrange(0x110000)
            usable = SAME_UNICODE and not 0xD800 <= code_point < 0xE000
            out += chr(code_point).encode() if usable else b""
        elif kind < 12:
            out += choice.choice(common[0]).encode()
        else:
            out += choice.choice(choice.choice(common)).encode()
        if choice.randrange(8) == 0:
            out += out[-2:] * choice.randrange(4)
    return out


def test_words_and_tokens_are_those_of_the_definition(binary):
    reference, choice = Reference(MODEL), random.Random(5)
    program = os.path.join(os.path.dirname(binary), "tests", "unit", "tokenizer")
    lines = []
    for number in range(6000):
        text = random_text(choice)
        for pre in WORDS:
            lengths = " ".join(str(len(word)) for word in cut(pre, text))
            lines.append("words %s %s %s" % (pre, escaped(text), lengths))
        if number % 3 == 0:
            ids = " ".join(map(str, reference.tokens(text)))
            lines.append("ids %s %s" % (escaped(text), ids))
    check(program, lines)


def test_every_code_point_is_in_its_class(binary):
    if not SAME_UNICODE:
        raise unittest.SkipTest("Python has Unicode %s, the table %s"
                                % (unicodedata.unidata_version, TABLE_VERSION))
    program = os.path.join(os.path.dirname(binary), "tests", "unit", "tokenizer")
    lines = []
    for start in range(0, 0x110000, 64):
        # The planes without assigned characters are sampled.
        if 0xD800 <= start < 0xE000 or (start > 0x33000 and start >> 12 != 0xE0 and start % 8192):
            continue
        # Behind a letter and a line break each class of character is cut differently.
        text = "".join("a%c\n %c1" % (c, c) for c in range(start, start + 64)).encode()
        lengths = " ".join(str(len(word)) for word in cut("qwen35", text))
        lines.append("words qwen35 %s %s" % (escaped(text), lengths))
    check(program, lines)


def check(program, lines):
    with tempfile.NamedTemporaryFile("w", suffix=".cases") as file:
        file.write("\n".join(lines) + "\n")
        file.flush()
        done = subprocess.run([program, file.name], stdout=subprocess.PIPE, check=False,
                              stderr=subprocess.STDOUT, text=True, errors="replace",
                              cwd=ROOT)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("%d cases, 0 wrong" % len(lines)), done.stdout
