"""The manual and the program name the same things: options, variables, commands, codes, keys."""
import json
import os
import re
import shutil
import subprocess
import unittest

from command_support import ROOT, run


def page(name):
    with open(os.path.join(ROOT, "man", name), encoding="utf-8") as file:
        # A line that ends in a backslash goes on.
        return file.read().replace("\\\n", "")


def section(text, title):
    return text.split("\n.Sh %s\n" % title, 1)[1].split("\n.Sh ", 1)[0]


def macro_words(text, macro):
    """All arguments of a macro, wherever it stands in a line."""
    words = []
    for line in text.splitlines():
        if not line.startswith("."):
            continue
        active = False
        for word in line[1:].split():
            if word == macro:
                active = True
            elif re.fullmatch(r"[A-Z][a-z]", word):
                active = False
            elif active and word not in (",", "|", ".", ";", ":", "(", ")"):
                words.append(word.replace("\\&", ""))
    return words


def all_help(binary):
    texts = {"": run(binary, "--help").text}
    commands = texts[""].split("\nCommands", 1)[1].split("\nOptions:", 1)[0]
    for name in re.findall(r"^  ([a-z]+) ", commands, re.MULTILINE):
        texts[name] = run(binary, name, "--help").text
    return texts


def flags_of(text):
    flags = set()
    for line in text.splitlines():
        match = re.match(r"  (?:-(\w), |    )--(\[no-\])?([a-z-]+)", line)
        if match:
            flags.add("-" + match.group(3))
            if match.group(2):
                flags.add("-no-" + match.group(3))
            if match.group(1):
                flags.add(match.group(1))
    return flags


def schema(binary):
    return json.loads(run(binary, "config", "schema").text)


def same(program, manual):
    assert not program - manual, "not in the manual: %s" % sorted(program - manual)
    assert not manual - program, "only in the manual: %s" % sorted(manual - program)


def own_page(command):
    """The page of a command that has one, or None."""
    name = "banter-%s.1" % command
    return name if os.path.exists(os.path.join(ROOT, "man", name)) else None


def test_options(binary):
    texts = all_help(binary)
    program = set().union(*(flags_of(text) for name, text in texts.items() if not own_page(name)))
    assert len(program) > 40, program
    shared = set(macro_words(page("banter.1"), "Fl"))
    same(program, shared)
    common = flags_of(texts["models"])  # it has no others
    for name in filter(own_page, texts):
        assert ".Xr banter-%s 1" % name in page("banter.1"), name
        same(flags_of(texts[name]) - common, set(macro_words(page(own_page(name)), "Fl")) - common)


def test_commands(binary):
    program = set(all_help(binary)) - {""}
    items = re.findall(r"^\.It Cm (\w+)", section(page("banter.1"), "COMMANDS"), re.MULTILINE)
    same(program, set(items))
    for action in ("show", "check", "schema"):
        assert ".It Cm config Cm %s" % action in page("banter.1")
    for action in ("list", "show", "check", "schema"):
        assert ".It Cm policy Cm %s" % action in page("banter.1")


def test_environment(binary):
    program = {row["environment"] for row in schema(binary)} | {"BANTER_MODELS", "BANTER_GUIDE"}
    manual = {word for word in macro_words(section(page("banter.1"), "ENVIRONMENT"), "Ev")
              if word.startswith("BANTER_")}
    same(program, manual)


def test_every_variable_of_the_source(binary):
    read = set()
    for folder, _, names in os.walk(ROOT):
        if os.path.basename(folder) == "build" or "/build/" in folder or "/tests" in folder:
            continue
        for name in names:
            if name.endswith(".c"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    read |= set(re.findall(r'getenv\("([A-Z_]+)"\)', file.read()))
    manual = set(macro_words(section(page("banter.1"), "ENVIRONMENT"), "Ev"))
    # The environment of any program.
    missing = read - manual - {"HOME", "TMPDIR", "LINES", "COLUMNS"}
    assert not missing, missing


def test_exit_codes(_binary):
    with open(os.path.join(ROOT, "engine", "error.h"), encoding="utf-8") as file:
        codes = set(re.findall(r"STATUS_\w+ = (\d+)", file.read())) - {"256"}
    manual = re.findall(r"^\.It (\d+)$", section(page("banter.1"), "EXIT STATUS"), re.MULTILINE)
    same(codes, set(manual))


def test_slash_commands(_binary):
    with open(os.path.join(ROOT, "app", "commands.c"), encoding="utf-8") as file:
        table = file.read().split("static const struct command commands[]", 1)[1].split("};", 1)[0]
    program = set(re.findall(r'^    \{"(\w+)", ', table, re.MULTILINE))
    assert len(program) >= 10, program
    items = re.findall(r"^\.It Ic /(\w+)", section(page("banter.1"), "SLASH COMMANDS"),
                       re.MULTILINE)
    same(program, set(items))


def test_keys(_binary):
    """The keys that /help keys names."""
    with open(os.path.join(ROOT, "app", "commands.c"), encoding="utf-8") as file:
        table = file.read().split("help_keys[] =", 1)[1].split(";\n", 1)[0]
    program = set()
    for line in re.findall(r'"([A-Z][^\\"]*?)  ', table):
        program |= set(line.split(", "))
    assert len(program) > 10, program
    manual = set()
    for line in re.findall(r"^\.It (.*)$", section(page("banter.1"), "KEYS"), re.MULTILINE):
        manual |= set(line.split(" , "))
    same(program, manual)


def number(value):
    return "%d" % value if float(value).is_integer() else repr(value)


def item_of(row):
    """The heading that banter-config.5 must have for a row of the table."""
    parts = [row["type"]]
    if "minimum" in row:
        parts.append("range: %s%s, %s%s" % ("[" if row["minimum_allowed"] else "(",
                                            number(row["minimum"]), number(row["maximum"]),
                                            "]" if row["maximum_allowed"] else ")"))
    parts.append("default: %s" % ("none" if row["default"] is None else row["default"]))
    if row["at_run_time"]:
        parts.append("chat")
    return "%s: %s" % (row["key"], "; ".join(parts))


def test_configuration_keys(binary):
    text = page("banter-config.5")
    manual = {}
    for part in text.split("\n.Ss ")[1:]:
        name = re.match(r"\w+", part).group(0)
        for item in re.findall(r"^\.It Cm (.*)$", part, re.MULTILINE):
            plain = item.replace(" Ns No \\&:", ":").replace("\\&", "").replace("\\-", "-")
            manual[plain.replace(" ;", ";")] = name
    program = {item_of(row): row["section"] for row in schema(binary)}
    same(set(program), set(manual))
    assert program == manual
    for row in schema(binary):
        item = text.split(".It Cm %s Ns" % row["key"], 1)[1].split("\n.It ", 1)[0]
        for choice in row.get("choices", []):
            assert choice in macro_words(item, "Cm"), (row["key"], choice)


def plain_value(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else number(value)


def item_of_policy(row):
    """The heading that banter-policy.5 must have for a key of a policy's file."""
    defaults = {kind: plain_value(value) for kind, value in row["defaults"].items()}
    parts = [row["type"]]
    if "minimum" in row:
        parts.append("range: [%s, %s]" % (number(row["minimum"]), number(row["maximum"])))
    if row["key"] == "kind":
        parts.append("needed")
    elif row["key"] == "sources":
        parts.append("default: by kind")
    else:
        kinds = set(defaults) - {"auto"}
        assert len({defaults[kind] for kind in kinds}) == 1, row  # or the page must say more
        parts.append("default: %s" % defaults["ngram"])
        if defaults["auto"] != defaults["ngram"]:
            parts.append("auto: %s" % defaults["auto"])
    return "%s: %s" % (row["key"], "; ".join(parts))


def test_policy_keys(binary):
    rows = json.loads(run(binary, "policy", "schema").text)
    assert len(rows) > 30, rows
    text = page("banter-policy.5")
    manual = []
    for item in re.findall(r"^\.It Cm (.* Ns No .*)$", text, re.MULTILINE):
        plain = item.replace(" Ns No \\&:", ":").replace("\\&", "").replace(" ;", ";")
        manual.append(plain)
    assert manual == [item_of_policy(row) for row in rows], manual
    for row in rows:
        if row["type"] == "name":
            item = text.split(".It Cm %s Ns" % row["key"], 1)[1].split("\n.It ", 1)[0]
            words = macro_words(item, "Cm")
            for choice in re.split("[|,]", row["argument"]):
                assert choice in words, (row["key"], choice, words)
    kinds = re.findall(r"^\.It Cm (\w+)$", text.split(".Ss The kinds", 1)[1], re.MULTILINE)
    assert kinds == rows[0]["argument"].split("|"), kinds


def test_policy_statistics(_binary):
    """The page tells the states, and the keys of a line of the trace."""
    text = page("banter-policy.5")
    with open(os.path.join(ROOT, "engine", "decode", "policy_settings.c"),
              encoding="utf-8") as file:
        states = re.search(r"STATES\[\] = \{([^}]*)\}", file.read()).group(1)
    same(set(re.findall(r'"(\w+)"', states)),
         set(re.findall(r"^\.It ([A-Z]+)$", text.split(".Ss States", 1)[1], re.MULTILINE)))
    with open(os.path.join(ROOT, "app", "trace.c"), encoding="utf-8") as file:
        keys = set(re.findall(r'json_put\(line, "(\w+)"', file.read()))
    part = text.split(".Ss Trace", 1)[1].split(".Ss ", 1)[0]
    assert len(keys) > 10 and not keys - set(macro_words(part, "Cm")), keys


def test_pages_are_clean(_binary):
    if shutil.which("mandoc") is None:
        raise unittest.SkipTest("no mandoc")
    for name in sorted(os.listdir(os.path.join(ROOT, "man"))):
        path = os.path.join(ROOT, "man", name)
        done = subprocess.run(["mandoc", "-Tlint", "-Wwarning", path], capture_output=True,
                              timeout=60, check=False)
        assert done.returncode == 0 and not done.stdout, done.stdout.decode()
