/* conf/expand.h - ${VAR}, ${VAR:-default} and ${file:PATH} in the values of the project file.
 *
 * An unset variable without a default, an unreadable file and an unclosed ${ are errors.
 * $${ is a literal ${; a $ before anything else is itself. What was put in is not expanded
 * again. A file gives its content without the newline at its end; PATH is relative to the
 * project folder. Limits: 64 KiB a file, 1 MiB a value.
 */
#pragma once

#include "base/error.h"
#include "base/mem.h"
#include "base/types.h"
#include "env/disk.h"

struct expand_context {
	struct mr_disk *disk;
	const char *folder;
	const char *(*variable)(const char *name); /* getenv, or a test's */
};

/* A yaml_expander's function; arg is a struct expand_context. */
int conf_expand(void *arg, struct arena *arena, mr_str *text, struct mr_error *err);
