"""Decode policies in the chat: chosen, switched in mid-answer, refused when their file is wrong."""
import os
import re

from chat_support import Chat, F4, GREETING, GUIDE, Home, SLOW, TINY, unwrapped

LONG = ("--temperature", "0", "--cpu", "reference", "--threads", "1", "--max-tokens", "200")


def policy_file(home, name, text):
    folder = os.path.join(home.path, "config", "banter", "policies")
    os.makedirs(folder, exist_ok=True)
    return home.file(os.path.join(folder, name + ".yaml"), text)


def test_list_and_choice(binary):
    with Chat(binary, GREETING) as chat:
        chat.say("/policy")
        chat.wait(re.compile(r"\* auto"))
        for name in ("greedy", "ngram", "speculative", "mtp"):
            assert re.search(r"^ +%s " % name, chat.text, re.MULTILINE) or name in chat.text
        chat.wait("The text is the same with all of them.")
        chat.say("/policy ngram")
        chat.wait("The decode policy is ngram.")
        chat.say("/get policy")
        chat.wait("policy ngram (/set)")
        chat.say("/set policy greedy")
        chat.wait("policy is greedy.")
        chat.say("/policy gredy")
        chat.wait(lambda terminal: "greedy" in unwrapped(terminal).partition("gredy")[2])
        chat.say("/policy")
        chat.wait(re.compile(r"\* greedy"))
        chat.say("/policy speculative")     # no model to draft with
        chat.wait("/set draft_model FILE")
        chat.send("C-d")
        assert chat.finish() == 0


def test_a_wrong_file_is_refused_and_the_policy_stays(binary):
    with Home() as home:
        policy_file(home, "mine", "kind: ngram\nngram:\n  gamma: 8\n")
        policy_file(home, "bad", "kind: ngram\nngram:\n  gama: 8\n")
        with Chat(binary, GREETING, home=home, columns=120) as chat:
            chat.say("/policy mine")
            chat.wait("The decode policy is mine.")
            chat.say("/policy bad")
            chat.wait(lambda terminal: re.search(r"bad\.yaml:3:\d+:.*gama", unwrapped(terminal)))
            chat.say("/get policy")
            chat.wait("policy mine (/set)")
            chat.send("C-d")
            assert chat.finish() == 0


def test_a_wrong_file_at_the_start(binary):
    with Home() as home:
        policy_file(home, "bad", "kind: ngram\nngram:\n  gamma: much\n")
        home.file(os.path.join(home.path, "config", "banter", "config.yaml"),
                  "decode:\n  policy: bad\n")
        with Chat(binary, GREETING, home=home, ready=None, columns=160) as chat:
            assert chat.finish() == 78
            assert not chat.alternate
            assert re.search(r"bad\.yaml:3:\d+", unwrapped(chat)), chat.picture()


def test_a_wrong_name_at_the_start(binary):
    with Chat(binary, GREETING, "--policy", "gredy", ready=None) as chat:
        assert chat.finish() == 2
        assert 'did you mean "greedy"?' in chat.text and not chat.alternate
    with Chat(binary, None, "--model", GUIDE, "--policy", "speculative", ready=None) as chat:
        assert chat.finish() == 2
        assert "--draft-model" in unwrapped(chat) and not chat.alternate


def test_menu(binary):
    for rows, columns in ((24, 80), (12, 40)):
        with Chat(binary, GREETING, rows=rows, columns=columns) as chat:
            chat.send(F4)
            chat.wait("decode policy")
            chat.wait("speculative")
            chat.send("2")          # ngram
            chat.wait("decode policy: ngram")
            chat.say("/get policy")
            chat.wait("policy ngram")
            chat.send(F4)
            chat.wait("speculative")
            chat.send("Escape")
            chat.wait_gone("speculative")
            chat.send("C-d")
            assert chat.finish() == 0


def test_switch_in_mid_answer_changes_no_byte(binary):
    answers = []
    for switch in (False, True):
        with Home() as home, Chat(binary, None, "--model", TINY, *LONG, "--policy", "greedy",
                                  rows=40, columns=100, home=home, ready="ready") as chat:
            chat.say("e")
            chat.wait("t/s")
            if switch:
                chat.send(F4)
                chat.wait("speculative")
                chat.send("2")
                chat.wait("decode policy: ngram")
                assert "max_tokens" not in chat.text, chat.picture()
            chat.wait("reached max_tokens", seconds=60)
            chat.say("/prompt next")
            chat.wait("Ids:")
            chat.settle(0.05)
            answers.append(re.sub(r"\s", "", chat.text.rpartition("Ids:")[2].partition("\u2500")[0]))
            if switch:
                chat.say("/stats")
                chat.wait(re.compile(r"policy +ngram"))
    assert answers[0] == answers[1], answers


def test_figures_belong_to_their_policy(binary):
    with Chat(binary, None, "--model", GUIDE, "--temperature", "0", "--policy", "mtp",
              ready="ready") as chat:
        chat.say("hello")
        chat.wait("Ask me anything")
        chat.wait(re.compile(r"ready  mtp .*acc"))
        chat.say("/policy greedy")
        chat.wait("ready  greedy")
        chat.settle(0.05)
        assert "acc" not in chat.text.rpartition("ready  greedy")[2], chat.picture()
        assert "mtp again" not in chat.text, chat.picture()
        chat.say("/stats")
        chat.wait(re.compile(r"policy +mtp$", re.MULTILINE))     # of the answer, named once
        chat.send("q")
        chat.wait_gone("statistics:")


def test_regen_with_a_policy(binary):
    with Chat(binary, None, "--model", GUIDE, "--temperature", "0", "--policy", "ngram",
              ready="ready") as chat:
        chat.say("hello")
        chat.wait("Ask me anything")
        chat.wait("ready")
        chat.say("/regen policy=greedy")
        chat.wait("variant 2")
        chat.wait("ready")
        chat.say("/prompt")
        chat.wait("tokens, decode policy greedy.")
        chat.say("/stats")
        chat.wait(re.compile(r"policy +greedy"))
        chat.send("q")
        chat.wait_gone("statistics:")
        # The next one has the present policy again.
        chat.say("/regen")
        chat.wait("variant 3")
        chat.wait("ready")
        chat.say("/stats")
        chat.wait(re.compile(r"policy +ngram"))
        chat.send("q")
        chat.wait_gone("statistics:")
        chat.say("/regen policy=nonsense")
        chat.wait("nonsense")
        chat.settle(0.1)
        assert "variant 3" in chat.text, chat.picture()


def test_trace(binary):
    with Home() as home:
        path = os.path.join(home.path, "trace.jsonl")
        with Chat(binary, None, "--model", GUIDE, "--plain", home=home, ready="you:") as chat:
            chat.say("/set trace " + path)
            chat.wait("trace is")
            chat.say("hello")
            chat.wait("tokens per second")
            chat.say("/set trace /nonexistent/folder/file")
            chat.wait("error:")
            chat.say("/get trace")
            chat.wait("trace.jsonl (/set)")
            chat.say("/quit")
            assert chat.finish() == 0
        with open(path, encoding="utf-8") as lines:
            assert len(lines.readlines()) > 0


def test_plain(binary):
    with Chat(binary, SLOW.replace("400", "12"), "--plain", ready="you:") as chat:
        chat.say("/policy")
        chat.wait("* auto")
        chat.say("/policy greedy")
        chat.wait("banter: The decode policy is greedy.")
        chat.say("/policy nonsense")
        chat.wait("error:")
        chat.say("/quit")
        assert chat.finish() == 0


def test_the_draft_model_is_opened_inside_a_request(binary):
    """guide with its own draft: switched to in the chat, and compared."""
    with Chat(binary, None, "--temperature", "0", environment={"BANTER_GUIDE": GUIDE},
              ready="ready") as chat:
        chat.say("/policy speculative")
        chat.wait("The decode policy is speculative.")
        chat.say("how do I choose a system prompt?")
        chat.wait(re.compile("ready .*t/s"))
        assert "draft model" not in chat.row(0), chat.picture()
        chat.say("/stats")
        chat.wait(re.compile(r"draft: drafted \d+, verified \d+, accepted [1-9]"))
