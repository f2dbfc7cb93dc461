#!/usr/bin/env python3
"""Builds the web console and writes it as a C file: embed_console.py PROJECT OUT.c

esbuild makes one script and one style sheet of web/src/main.tsx; each gets a hash of its bytes in its name;
web/index.html is written with these names. OUT.c has struct console_file console_files[] (console/console.h)
with every file plain and compressed, OUT.d what it was made of, for ninja.
"""
import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
         ".css": "text/css; charset=utf-8"}
COMPRESSED_MAX = 80 << 10


def bundle(project, out):
    """Runs esbuild; {"app.js": bytes, "app.css": bytes}."""
    deps = project / ".deps" / "web"
    if not (deps / "esbuild").exists():
        sys.exit(f"embed_console: {deps / 'esbuild'} is missing\n  hint: tools/setup.sh fetches it")
    subprocess.run([deps / "esbuild", project / "web" / "src" / "main.tsx", "--bundle", "--minify",
                    "--format=esm", "--target=es2022", "--jsx=automatic", "--jsx-import-source=preact",
                    "--charset=utf8", "--legal-comments=none", "--log-level=warning", f"--outfile={out / 'app.js'}"],
                   env=dict(os.environ, NODE_PATH=str(deps / "node_modules")), check=True)
    return {name: (out / name).read_bytes() for name in ("app.js", "app.css")}


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def bytes_of(data):
    return ",".join(map(str, data))


def main():
    project, out = Path(sys.argv[1]), Path(sys.argv[2])
    page = (project / "web" / "index.html").read_text()
    files = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, data in bundle(project, Path(folder)).items():
            stem, _, ending = name.partition(".")
            hashed = f"{stem}-{digest(data)}.{ending}"
            assert name in page, name
            page = page.replace(name, hashed)
            files[hashed] = data
    files["index.html"] = page.encode()
    lines, rows, compressed = ['#include "console/console.h"', ""], [], 0
    for i, (name, data) in enumerate(files.items()):
        packed = gzip.compress(data, 9, mtime=0)
        compressed += len(packed)
        lines.append(f"static const unsigned char plain_{i}[] = {{{bytes_of(data)}}};")
        lines.append(f"static const unsigned char gzip_{i}[] = {{{bytes_of(packed)}}};")
        rows.append(f'    {{"{name}", "{TYPES[Path(name).suffix]}", "\\"{digest(data)}\\"",'
                    f" {{(const char *)plain_{i}, {len(data)}}}, {{(const char *)gzip_{i}, {len(packed)}}}}},")
    if compressed > COMPRESSED_MAX:
        sys.exit(f"embed_console: {compressed} bytes compressed, more than {COMPRESSED_MAX}")
    lines += ["const struct console_file console_files[] = {", *rows, "};",
              f"const size_t console_file_count = {len(files)};", ""]
    out.write_text("\n".join(lines))
    made_of = [project / "web" / "index.html", *sorted((project / "web" / "src").iterdir())]
    out.with_suffix(".d").write_text(f"{sys.argv[2]}: {' '.join(str(p) for p in made_of)}\n")


main()
