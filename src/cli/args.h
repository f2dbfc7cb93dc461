/* cli/args.h - command lines by table: options, flags, positionals, usage text.
 *
 * Options may stand anywhere; "--" ends them. "--name value" and "--name=value" mean the
 * same, "-n value" too; for DuckDB users "-json" and the like are accepted where a command
 * lists them. What is unknown is refused with the nearest name, exit code 2.
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/types.h"

enum {
	EXIT_OK = 0,
	EXIT_WORK_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_UNREACHABLE = 3,
	EXIT_AUTH = 4,
	EXIT_INTERRUPTED = 130
};

struct arg_option {
	const char *name;  /* "format"; shown and given as --format */
	char letter;       /* 'f', or 0 */
	const char *value; /* "FORMAT" in the usage text; NULL: a flag */
	const char *help;
	bool word; /* also accepted with a single dash: -json */
};

#define ARG_OPTIONS_MAX 32
#define ARG_POSITIONALS_MAX 16

struct args {
	const struct arg_option *options;
	size_t option_count;
	const char *values[ARG_OPTIONS_MAX]; /* by option; "" for a flag that was given */
	const char *positionals[ARG_POSITIONALS_MAX];
	size_t positional_count;
};

/* argv[0] is the first argument, not the command. */
MR_NODISCARD int args_parse(const struct arg_option *options, size_t option_count, size_t positionals_max,
			    int argc, char **argv, struct args *out, struct mr_error *err);
const char *args_get(const struct args *args, const char *name); /* NULL when not given */
bool args_has(const struct args *args, const char *name);
/* A whole number with limits, or `otherwise` when not given. */
MR_NODISCARD int args_int(const struct args *args, const char *name, int64_t otherwise, int64_t least,
			  int64_t most, int64_t *out, struct mr_error *err);
const char *args_positional(const struct args *args, size_t i); /* NULL when not given */
void args_usage(const struct arg_option *options, size_t option_count, struct mr_buf *out);
