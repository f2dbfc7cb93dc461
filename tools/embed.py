#!/usr/bin/env python3
"""Writes a C file that carries the files of a folder: embed.py FOLDER OUT.c

struct embedded_file embedded_files[] = {{"schemas/x.yml", bytes, size}, …}; embedded_file_count.
"""
import sys
from pathlib import Path


def main():
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    files = sorted(p for p in folder.rglob("*") if p.is_file() and ".millrace" not in p.parts)
    lines = ['#include "cli/embedded.h"', ""]
    for i, path in enumerate(files):
        data = path.read_bytes()
        lines.append(f"static const unsigned char file_{i}[] = {{{','.join(map(str, data)) or '0'}}};")
    lines.append("const struct embedded_file embedded_files[] = {")
    for i, path in enumerate(files):
        lines.append(f'    {{"{path.relative_to(folder).as_posix()}", (const char *)file_{i}, {path.stat().st_size}}},')
    lines += ["};", f"const size_t embedded_file_count = {len(files)};", ""]
    out.write_text("\n".join(lines))


main()
