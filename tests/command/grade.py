"""banter grade: held-out questions, and drafts."""
import json
import os
import tempfile

from command_support import expect, golden_model, run


def line(grade, question="what is this?"):
    return json.dumps({"messages": [{"role": "user", "content": question},
                                    {"role": "assistant", "content": "a"}], "grade": grade})


def graded(binary, folder, lines, *arguments):
    path = os.path.join(folder, "questions.jsonl")
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    return run(binary, "grade", "--model", golden_model(), path, *arguments)


def test_a_model_is_its_own_best_draft(binary):
    lines = [line({"kind": "chat"}, "question %d" % i) for i in range(20)]
    lines.append("")
    lines.append(line({"kind": "fact", "expect": ["/new"]}))
    with tempfile.TemporaryDirectory() as folder:
        done = graded(binary, folder, lines, "--output", "json", "--draft", golden_model())
        figures = json.loads(expect(done, 1).text)
        assert figures["answers"] == 21 and figures["fact"] == {"right": 0, "of": 1}
        assert figures["refusal"] is None and figures["mtp_acceptance"] is None
        draft = figures["draft_acceptance"]
        assert draft["right"] == draft["of"] > 0
        assert not figures["reached"]
        table = expect(graded(binary, folder, lines, "--show"), 1).text
        assert "facts" in table and "missed" in table and "asked: what is this?" in table


def test_bad_files_are_refused(binary):
    with tempfile.TemporaryDirectory() as folder:
        good = line({"kind": "chat"})
        expect(graded(binary, folder, [good, "{"]), 65, "", "questions.jsonl:2, offset %d"
               % (len(good) + 1))
        expect(graded(binary, folder, [""]), 65, "", "no question is in the file")
        expect(graded(binary, folder, [line({"kind": "x"})]), 65, "", "questions.jsonl:1")
        expect(run(binary, "grade", "--model", golden_model(), folder + "/none"), 2, "", "none")
    expect(run(binary, "grade", "--model", golden_model()), 2, "", "held-out questions")
