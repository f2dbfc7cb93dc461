#!/usr/bin/env python3
"""Writes the two C files by which a library is loaded at its first use (see src/env/library.h):

    lazy_library.py NAME PREFIX SONAME HEADER SOURCE... OUT.h OUT.c

The functions are those whose names start with PREFIX and that the sources call. OUT.h includes HEADER,
gives each of them a pointer in `struct NAME_calls`, typed by HEADER, and makes its name mean that pointer:
the sources read as if they were linked with the library. NAME_load() fills the pointers.
"""
import re
import sys
from pathlib import Path

NOT_CODE = re.compile(r"""/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])+'""", re.S)


def called(library, prefix, sources):
    code = "\n".join(NOT_CODE.sub(" ", Path(source).read_text()) for source in sources)
    return sorted(set(re.findall(rf"\b({prefix}\w+)\(", code)) - {f"{library}_load"})


def header(library, include, names):
    pointers = "\n".join(f"\ttypeof({name}) *{name};" for name in names)
    # A function-like macro of that name (curl's checks of types) would shadow the pointer.
    meanings = "\n".join(f"#undef {name}\n#define {name} {library}_calls.{name}" for name in names)
    return f"""/* Made by tools/lazy_library.py. */
#pragma once

#include "env/library.h"

#include <{include}>

struct {library}_calls {{
{pointers}
}};

extern struct {library}_calls {library}_calls;

/* Load the library, if it is not yet; before the first of the calls below. Any thread. */
MR_NODISCARD int {library}_load(struct mr_error *err);

{meanings}
"""


def source(library, soname, out_header, names):
    texts = "\n".join(f'\t"{name}",' for name in names)
    return f"""/* Made by tools/lazy_library.py. */
#include "{out_header}"

struct {library}_calls {library}_calls;

static const char *const names[] = {{
{texts}
}};

static struct library library = LIBRARY_INIT("{soname}", names, &{library}_calls);
_Static_assert(sizeof names == sizeof {library}_calls, "a pointer for each name");

int {library}_load(struct mr_error *err)
{{
	return library_load(&library, err);
}}
"""


def main():
    library, prefix, soname, include, *sources, out_header, out_source = sys.argv[1:]
    names = called(library, prefix, sources)
    Path(out_header).write_text(header(library, include, names))
    folder, name = Path(out_header).parts[-2:]
    Path(out_source).write_text(source(library, soname, f"{folder}/{name}", names))


if __name__ == "__main__":
    main()
