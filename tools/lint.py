#!/usr/bin/env python3
"""make lint: layers that only look down, calls that are banned, headers that say what they are.

A folder may include from the folders its row names, and from itself. Change the row and the
layout together, with docs/architecture.md.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORE = "base env"
BELOW_APP = f"{CORE} codec conf log broker group txn share auth admin sql store delta stream lake ingest query flow upkeep kafka service " \
            "http jinja dag task api console"
LAYERS = {
    "base": "",
    "env": "base",
    "codec": CORE,
    "conf": f"{CORE} codec",
    "log": f"{CORE} codec",
    "sql": f"{CORE} codec",
    "stream": f"{CORE} codec conf",
    "store": f"{CORE} codec http",
    "delta": f"{CORE} codec sql store",
    "broker": f"{CORE} codec conf log",
    "http": f"{CORE} codec",
    "jinja": f"{CORE} codec conf",
    "group": f"{CORE} codec log broker",
    "txn": f"{CORE} codec log broker group",
    "share": f"{CORE} codec log broker group txn",
    "auth": f"{CORE} codec log broker",
    "admin": f"{CORE} codec conf log broker group auth",
    "kafka": f"{CORE} codec log broker group txn share auth",
    "service": f"{CORE} codec conf log broker",
    "ingest": f"{CORE} codec conf log broker sql delta",
    "lake": f"{CORE} codec conf sql delta stream",
    "query": f"{CORE} codec conf log broker sql delta stream lake ingest",
    "flow": f"{CORE} codec sql delta stream lake query",
    "upkeep": f"{CORE} codec sql delta stream lake",
    "dag": f"{CORE} codec conf jinja",
    "task": f"{CORE} codec conf log broker group sql delta lake query flow http jinja dag",
    "api": f"{CORE} codec conf http dag task",
    "console": f"{CORE} http",
    "app": BELOW_APP,
    "cli": f"{BELOW_APP} app",
}
BANNED = re.compile(r"\b(strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca|system|atoi|strncpy)\s*\(")
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 900

faults = []


def fault(path, line, text):
    faults.append(f"{path.relative_to(ROOT)}:{line}: {text}")


def check_layers(path, number, line):
    found = re.match(r'#include "([a-z]+)/', line)
    if not found or path.parts[-3] != "src":
        return
    folder, target = path.parts[-2], found.group(1)
    if target != folder and target not in LAYERS.get(folder, "").split():
        fault(path, number, f"{folder}/ must not include {target}/ (tools/lint.py has the table)")


def check_file(path):
    text = path.read_text()
    lines = text.split("\n")
    if len(lines) > FILE_LINES_MAX:
        fault(path, 1, f"{len(lines)} lines: more than one subject?")
    if path.suffix == ".h" and not text.startswith("/*"):
        fault(path, 1, "a header starts with a comment that says what it is")
    start, name = None, ""
    for number, line in enumerate(lines, 1):
        check_layers(path, number, line)
        if "duckdb.h" in line and line.startswith("#include") and path.parts[-2] != "sql":
            fault(path, number, "only sql/ includes duckdb.h")
        banned = BANNED.search(re.sub(r'"(\\.|[^"\\])*"|/\*.*?\*/', "", line))
        if banned and not line.lstrip().startswith(("*", "/*")):
            fault(path, number, f"{banned.group(1)}() is banned")
        if line == "{" and number > 1:
            start, name = number, lines[number - 2]
        elif line == "}" and start:
            if number - start > FUNCTION_LINES_MAX:
                fault(path, start, f"function of {number - start} lines: {name.strip()[:60]}")
            start = None


def check_web():
    """The console's types; esbuild only strips them."""
    done = subprocess.run(["node", ".deps/web/node_modules/typescript/bin/tsc", "-p", "web", "--pretty", "false"],
                          capture_output=True, text=True, cwd=ROOT)
    for name, line, text in re.findall(r"^(\S+?)\((\d+),\d+\): (.*)$", done.stdout, re.M):
        fault(ROOT / name, line, text)
    if done.returncode and not faults:
        fault(ROOT / "web/tsconfig.json", 1, f"tsc does not run: {(done.stdout + done.stderr).strip()[:200]}")


def main():
    files = [p for ending in ("*.c", "*.h", "*.cpp") for top in ("src", "tests", "bench")
             for p in sorted((ROOT / top).rglob(ending))]
    for path in files:
        check_file(path)
    check_web()
    check = subprocess.run(["clang-format", "--dry-run", "-Werror", *map(str, files)],
                           capture_output=True, text=True, cwd=ROOT)
    if check.returncode:
        places = re.findall(r"^(\S+?):(\d+):\d+: error", check.stderr, re.M)
        for name in sorted({p for p, _ in places}):
            fault(Path(name), next(int(n) for p, n in places if p == name), "not formatted: make format")
    print("\n".join(faults) if faults else f"lint: {len(files)} files, no fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
