#include "cli/args.h"

#include "conf/nearest.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int unknown_option(const struct arg_option *options, size_t count, const char *given,
			  struct mr_error *err)
{
	const char *names[ARG_OPTIONS_MAX];
	for (size_t i = 0; i < count; i++)
		names[i] = options[i].name;
	mr_fail(err, MR_ERR_INVALID, "unknown option '%s'", given);
	const char *word = given + strspn(given, "-");
	const char *near = conf_nearest(mr_str_n(word, strcspn(word, "=")), names, count);
	return near ? mr_hint(err, "did you mean --%s?", near) : MR_ERR_INVALID;
}

/* The option that argument means, and where its "=value" starts (NULL: none). */
static int find_option(const struct arg_option *options, size_t count, const char *given, size_t *out,
		       const char **inline_value, struct mr_error *err)
{
	bool is_long = given[1] == '-';
	const char *name = given + (is_long ? 2 : 1);
	size_t len = strcspn(name, "=");
	for (size_t i = 0; i < count; i++) {
		bool by_name = (is_long || options[i].word) && strlen(options[i].name) == len &&
			       strncmp(options[i].name, name, len) == 0;
		bool by_letter = !is_long && options[i].letter && name[0] == options[i].letter && !name[1];
		if (!by_name && !by_letter)
			continue;
		*out = i;
		*inline_value = by_name && name[len] == '=' ? name + len + 1 : NULL;
		return 0;
	}
	return unknown_option(options, count, given, err);
}

int args_parse(const struct arg_option *options, size_t option_count, size_t positionals_max, int argc,
	       char **argv, struct args *out, struct mr_error *err)
{
	MR_ASSERT(option_count <= ARG_OPTIONS_MAX && positionals_max <= ARG_POSITIONALS_MAX);
	struct args args = {.options = options, .option_count = option_count};
	bool options_over = false;
	for (int i = 0; i < argc; i++) {
		const char *given = argv[i];
		if (options_over || given[0] != '-' || !given[1]) {
			if (args.positional_count == positionals_max)
				return mr_fail(err, MR_ERR_INVALID, "unexpected argument '%s'", given);
			args.positionals[args.positional_count++] = given;
			continue;
		}
		if (strcmp(given, "--") == 0) {
			options_over = true;
			continue;
		}
		size_t which;
		const char *value;
		int rc = find_option(options, option_count, given, &which, &value, err);
		if (rc < 0)
			return rc;
		if (!options[which].value && value)
			return mr_fail(err, MR_ERR_INVALID, "option --%s takes no value",
				       options[which].name);
		if (options[which].value && !value) {
			if (i + 1 == argc)
				return mr_fail(err, MR_ERR_INVALID, "option %s needs a value (%s)", given,
					       options[which].value);
			value = argv[++i];
		}
		args.values[which] = value ? value : "";
	}
	*out = args;
	return 0;
}

const char *args_get(const struct args *args, const char *name)
{
	for (size_t i = 0; i < args->option_count; i++) {
		if (strcmp(args->options[i].name, name) == 0)
			return args->values[i];
	}
	MR_ASSERT(!"an option that the command's table has");
	return NULL;
}

bool args_has(const struct args *args, const char *name)
{
	return args_get(args, name) != NULL;
}

int args_int(const struct args *args, const char *name, int64_t otherwise, int64_t least, int64_t most,
	     int64_t *out, struct mr_error *err)
{
	const char *text = args_get(args, name);
	if (!text) {
		*out = otherwise;
		return 0;
	}
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno || end == text || *end || v < least || v > most)
		return mr_fail(err, MR_ERR_INVALID, "--%s is '%s', expected a whole number from %lld to %lld",
			       name, text, (long long)least, (long long)most);
	*out = v;
	return 0;
}

const char *args_positional(const struct args *args, size_t i)
{
	return i < args->positional_count ? args->positionals[i] : NULL;
}

void args_usage(const struct arg_option *options, size_t option_count, struct mr_buf *out)
{
	for (size_t i = 0; i < option_count; i++) {
		char left[64];
		snprintf(left, sizeof left, "%s%s%s%s", options[i].word ? "-" : "--", options[i].name,
			 options[i].value ? " " : "", options[i].value ? options[i].value : "");
		if (options[i].letter)
			mr_buf_printf(out, "  -%c, %-22s %s\n", options[i].letter, left, options[i].help);
		else
			mr_buf_printf(out, "      %-22s %s\n", left, options[i].help);
	}
}
