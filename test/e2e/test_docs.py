"""The documents are true: their fenced commands are run, and what they show is what comes.

In README.md and docs/*.md a block fenced as ```sh or ```sql is run, in the order of the document; sql goes to
./coach psql. A block fenced as ```output right after it is what must be printed; in it … stands for any text within a line, and a
line that is … alone for any lines. Other fences (```text, ```json, ```console) are only read by people.
"""

import glob
import os
import re
import subprocess

import pytest

from instance import TOP

DOCUMENTS = ["README.md"] + sorted(os.path.relpath(p, TOP) for p in glob.glob(os.path.join(TOP, "docs/*.md")))
FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```\s*$", re.M | re.S)


def blocks(path):
    """(language, text, expected output or None) of the blocks that are run."""
    with open(os.path.join(TOP, path), encoding="utf-8") as f:
        text = f.read()
    found = []
    for m in FENCE.finditer(text):
        if m.group(1) in ("sh", "sql"):
            found.append([m.group(1), m.group(2), None, m.end()])
        elif m.group(1) == "output":
            assert found and not text[found[-1][3]:m.start()].strip(), f"{path}: an output block must follow a command"
            found[-1][2] = m.group(2)
    return [tuple(b[:3]) for b in found]


def pattern(expected):
    """A regular expression for an expected output with its …"""
    lines = []
    for line in expected.strip().split("\n"):
        line = line.rstrip()
        lines.append(r"(?:.*\n)*?" if line.strip() == "…" else ".*?".join(re.escape(p) for p in line.split("…")) + r"[ \t]*\n")
    return "".join(lines)


def test_the_pattern_is_strict():
    assert re.fullmatch(pattern('{"id":…,"a":1}\n…\nend\n'), '{"id":77,"a":1}\nx\ny\nend\n')
    assert not re.fullmatch(pattern('{"id":…,"a":1}\n'), '{"id":77,"a":2}\n')
    assert not re.fullmatch(pattern("a\n"), "a\nb\n")


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_commands_work(demo_instance, path):
    environment, address = demo_instance.environment, demo_instance.address
    todo = blocks(path)
    if not todo:
        return
    script = ["set -euo pipefail", f"cd {TOP}"]
    for n, (language, text, _) in enumerate(todo):
        text = text.replace("127.0.0.1:8080", address)
        script.append(f"printf '\\n@@@ %d\\n' {n}")
        script.append(text if language == "sh" else f"./coach psql -X -q -v ON_ERROR_STOP=1 <<'END_OF_SQL'\n{text}\nEND_OF_SQL")
    done = subprocess.run(["bash", "-c", "\n".join(script)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=600, check=False)
    outputs = re.split(r"\n@@@ \d+\n", "\n" + done.stdout)[1:]
    assert done.returncode == 0, f"{path}: {todo[max(len(outputs) - 1, 0)][1]}\n---\n{done.stdout[-3000:]}"
    for (_, text, expected), output in zip(todo, outputs):
        if expected is not None:
            output = "".join(line.rstrip() + "\n" for line in output.replace(address, "127.0.0.1:8080").strip().split("\n"))
            assert re.fullmatch(pattern(expected), output), f"{path}:\n{text}--- printed\n{output}--- but the document says\n{expected}"


def test_every_package_is_explained():
    """docs/operations.md says why each Debian package is needed."""
    with open(os.path.join(TOP, "dev/packages.sh"), encoding="utf-8") as f:
        packages = {p for array in re.findall(r"^PACKAGES_\w+=\((.*?)^\)", f.read(), re.M | re.S) for p in array.split()}
    with open(os.path.join(TOP, "docs/operations.md"), encoding="utf-8") as f:
        explained = set(re.findall(r"`([a-z0-9.+-]+)`", f.read()))
    assert packages and packages <= explained, packages - explained


def test_every_variable_is_explained(instance):
    """docs/operations.md names each variable of coachd --help, and none that does not exist."""
    done = subprocess.run([os.path.join(instance.var, "bin/coachd"), "--help"], capture_output=True, text=True, check=True, timeout=20)
    known = set(re.findall(r"\bCOACH_[A-Z_]+\b", done.stdout))
    with open(os.path.join(TOP, "docs/operations.md"), encoding="utf-8") as f:
        text = f.read()
    explained = set(re.findall(r"\bCOACH_[A-Z_]+\b", text))
    assert known and known <= explained, known - explained
    launcher = {"COACH_VAR", "COACH_LISTEN", "COACH_ENV", "COACH_DEMO", "COACH_UPKEEP_S"}
    assert {v for v in explained - known - launcher if not v.endswith("_FILE") and not v.endswith("_")} == set()


def test_links_lead_somewhere():
    for path in DOCUMENTS + ["CONTRIBUTING.md", "CHANGES.md"]:
        with open(os.path.join(TOP, path), encoding="utf-8") as f:
            for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", f.read()):
                if "://" not in target:
                    assert os.path.exists(os.path.join(TOP, os.path.dirname(path), target)), f"{path}: {target}"
