#!/usr/bin/env python3
"""Write engine/text/unicode_table.h: the class of every code point, as the pre-tokenizers need it.

usage: generate_unicode_table.py > unicode_table.h

Two stages: unicode_block[code_point >> 7] is the number of a block of 128 classes; equal blocks are
stored once.  The data is that of Python's unicodedata, whose version stands in the table.
"""
import unicodedata

OTHER, LETTER, MARK, NUMBER, SPACE = range(5)
# The property White_Space, which unicodedata does not have.
SPACES = {*range(0x09, 0x0E), 0x20, 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B), 0x2028, 0x2029,
          0x202F, 0x205F, 0x3000}
BLOCK = 128


def class_of(code_point):
    if code_point in SPACES:
        return SPACE
    return {"L": LETTER, "M": MARK, "N": NUMBER}.get(unicodedata.category(chr(code_point))[0], OTHER)


def rows(values):
    line = "   "
    for value in values:
        item = " %d," % value
        if len(line) + len(item) > 96:
            yield line
            line = "   "
        line += item
    yield line


def main():
    # The whitespace of the categories is the property, but for the controls and U+0085.
    assert {c for c in range(0x110000) if unicodedata.category(chr(c)) in ("Zs", "Zl", "Zp")} == \
        SPACES - {*range(0x09, 0x0E), 0x85}
    blocks, numbers, first = {}, [], []
    for start in range(0, 0x110000, BLOCK):
        block = tuple(class_of(c) for c in range(start, start + BLOCK))
        if block not in blocks:
            blocks[block] = len(first)
            first.append(block)
        numbers.append(blocks[block])
    assert len(first) <= 256
    print("/*\n * unicode_table.h - general categories L, M, N and the property White_Space of Unicode"
          " %s\n *\n * Written by generate_unicode_table.py; do not edit.\n */"
          % unicodedata.unidata_version)
    print("#ifndef ENGINE_TEXT_UNICODE_TABLE_H\n#define ENGINE_TEXT_UNICODE_TABLE_H\n")
    print("#include <stdint.h>\n")
    print('#define UNICODE_TABLE_VERSION "%s"\n' % unicodedata.unidata_version)
    print("static const uint8_t unicode_block[%d] = {" % len(numbers))
    print("\n".join(rows(numbers)) + "\n};\n")
    print("/* 0 other, 1 letter, 2 mark, 3 number, 4 whitespace */")
    print("static const uint8_t unicode_class_table[%d][%d] = {" % (len(first), BLOCK))
    for block in first:
        print("    {\n" + "\n".join(rows(block)) + "\n    },")
    print("};\n\n#endif")


if __name__ == "__main__":
    main()
