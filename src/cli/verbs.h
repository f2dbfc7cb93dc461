/* cli/verbs.h - commands that take a verb and a name: millrace topic, group, user, acl. */
#pragma once

#include "cli/args.h"
#include "cli/target.h"

struct cli_verb {
	const char *name;
	const char *what; /* that it needs a name of: "topic"; NULL: none */
	int (*run)(struct target *target, const struct args *args, const char *name, struct mr_error *err);
};

struct cli_verbs {
	const char *command;
	const struct arg_option *options; /* one is "project" */
	size_t option_count;
	const struct cli_verb *verbs; /* the first is what no verb means */
	size_t verb_count;
	size_t positionals_max;
};

int cli_verbs_run(const struct cli_verbs *verbs, int argc, char **argv);
