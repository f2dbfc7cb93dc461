#!/usr/bin/env python3
"""Writes a C file that carries one text: embed_text.py FILE... NAME OUT.c gives `const char NAME[]`,
the files one after the other."""
import sys
from pathlib import Path

*sources, name, out = sys.argv[1:]
text = b"\n\n".join(Path(source).read_bytes() for source in sources)
data = ",".join(map(str, text + b"\0"))
Path(out).write_text(f"extern const char {name}[];\nconst char {name}[] = {{{data}}};\n")
