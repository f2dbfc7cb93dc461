#include "cli/verbs.h"

#include "cli/command.h"
#include "conf/nearest.h"

static void put_verbs(const struct cli_verbs *verbs, const char *separator, struct mr_buf *out)
{
	for (size_t i = 0; i < verbs->verb_count; i++)
		mr_buf_printf(out, "%s%s", i ? separator : "", verbs->verbs[i].name);
}

static int find(const struct cli_verbs *verbs, const struct args *args, const struct cli_verb **out,
		struct mr_error *err)
{
	const char *word = args_positional(args, 0) ? args_positional(args, 0) : verbs->verbs[0].name;
	const char *names[32];
	for (size_t i = 0; i < verbs->verb_count; i++) {
		const struct cli_verb *verb = &verbs->verbs[i];
		names[i] = verb->name;
		if (strcmp(word, verb->name) != 0)
			continue;
		if (verb->what && !args_positional(args, 1)) {
			mr_fail(err, MR_ERR_INVALID, "which %s?", verb->what);
			return mr_hint(err, "millrace %s %s NAME", verbs->command, word);
		}
		*out = verb;
		return 0;
	}
	struct mr_buf all = {0};
	mr_fail(err, MR_ERR_INVALID, "millrace %s knows no '%s'", verbs->command, word);
	const char *near = conf_nearest(mr_str_from(word), names, verbs->verb_count);
	put_verbs(verbs, ", ", &all);
	mr_hint(err, "%s%s", near ? "did you mean " : all.ptr, near ? near : "");
	mr_buf_release(&all);
	return MR_ERR_INVALID;
}

int cli_verbs_run(const struct cli_verbs *verbs, int argc, char **argv)
{
	struct args args;
	int code;
	struct mr_buf synopsis = {0};
	put_verbs(verbs, "|", &synopsis);
	mr_buf_cstr(&synopsis, " [NAME]");
	bool go = command_args(verbs->command, synopsis.ptr, verbs->options, verbs->option_count,
			       verbs->positionals_max, argc, argv, &args, &code);
	mr_buf_release(&synopsis);
	if (!go)
		return code;
	struct mr_error err;
	const struct cli_verb *verb;
	struct target *target = NULL;
	const char *folder = args_get(&args, "project") ? args_get(&args, "project") : ".";
	int rc = find(verbs, &args, &verb, &err);
	if (rc == 0)
		rc = target_open(folder, &target, &err);
	if (rc == 0)
		rc = verb->run(target, &args, args_positional(&args, 1), &err);
	target_close(target);
	return rc < 0 ? command_failed(&err) : EXIT_OK;
}
