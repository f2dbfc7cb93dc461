#!/usr/bin/env python3
"""Writes a C file that carries one text: embed_text.py FILE NAME OUT.c gives `const char NAME[]`."""
import sys
from pathlib import Path

source, name, out = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
data = ",".join(map(str, source.read_bytes() + b"\0"))
out.write_text(f"extern const char {name}[];\nconst char {name}[] = {{{data}}};\n")
