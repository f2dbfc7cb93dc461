#include "cli/args.h"
#include "test.h"

static const struct arg_option options[] = {
    {"format", 'o', "FORMAT", "how", false},
    {"partitions", 'p', "N", "how many", false},
    {"dry-run", 'n', NULL, "change nothing", false},
    {"json", 0, NULL, "as JSON", true},
};

struct line {
	const char *words[6]; /* up to NULL */
	const char *format, *partitions;
	bool dry_run, json;
	const char *first, *second;
	const char *error, *hint;
};

static const struct line lines[] = {
    {{"a", "-o", "csv", "b"}, .format = "csv", .first = "a", .second = "b"},
    {{"--format=csv", "--format", "box"}, .format = "box"},
    {{"--format="}, .format = ""},
    {{"-n", "--json"}, .dry_run = true, .json = true},
    {{"-json", "x"}, .json = true, .first = "x"},
    {{"--", "-n", "--json"}, .first = "-n", .second = "--json"},
    {{"-", "-n"}, .first = "-", .dry_run = true},
    {{"-p", "-3"}, .partitions = "-3"},
    {{"--partitons", "3"}, .error = "unknown option '--partitons'", .hint = "did you mean --partitions?"},
    {{"--dryrun"}, .error = "unknown option '--dryrun'", .hint = "did you mean --dry-run?"},
    {{"-x"}, .error = "unknown option '-x'", .hint = ""},
    {{"-format", "box"}, .error = "unknown option '-format'", .hint = "did you mean --format?"},
    {{"a", "b", "c"}, .error = "unexpected argument 'c'", .hint = ""},
    {{"-o"}, .error = "option -o needs a value (FORMAT)", .hint = ""},
    {{"--json=yes"}, .error = "option --json takes no value", .hint = ""},
};

static void check_text(const char *got, const char *want)
{
	CHECK((got == NULL) == (want == NULL));
	if (want)
		CHECK_STR(mr_str_from(got), want);
}

TEST(args_lines)
{
	for (size_t i = 0; i < MR_COUNT(lines); i++) {
		const struct line *line = &lines[i];
		struct mr_error err = {0};
		struct args args;
		int argc = 0;
		while (argc < 6 && line->words[argc])
			argc++;
		int rc = args_parse(options, MR_COUNT(options), 2, argc, (char **)line->words, &args, &err);
		if (line->error) {
			CHECK_INT(rc, MR_ERR_INVALID);
			CHECK_STR(mr_str_from(err.message), line->error);
			CHECK_STR(mr_str_from(err.hint), line->hint);
			continue;
		}
		CHECK_OK(rc, err);
		check_text(args_get(&args, "format"), line->format);
		check_text(args_get(&args, "partitions"), line->partitions);
		CHECK_INT(args_has(&args, "dry-run"), line->dry_run);
		CHECK_INT(args_has(&args, "json"), line->json);
		check_text(args_positional(&args, 0), line->first);
		check_text(args_positional(&args, 1), line->second);
	}
}

TEST(args_numbers)
{
	static const struct {
		const char *text;
		int64_t value; /* -1: refused */
	} cases[] = {{"1", 1}, {"10", 10}, {"0", -1}, {"11", -1},
		     {"", -1}, {"3x", -1}, {"x", -1}, {"99999999999999999999", -1}};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		char *words[] = {(char *)"-p", (char *)cases[i].text};
		struct mr_error err = {0};
		struct args args;
		int64_t value = -1;
		CHECK_OK(args_parse(options, MR_COUNT(options), 0, 2, words, &args, &err), err);
		int rc = args_int(&args, "partitions", 5, 1, 10, &value, &err);
		CHECK_INT(value, cases[i].value);
		CHECK((rc == 0) == (cases[i].value > 0));
	}
	struct args none;
	struct mr_error err = {0};
	int64_t value;
	CHECK_OK(args_parse(options, MR_COUNT(options), 0, 0, NULL, &none, &err), err);
	CHECK_OK(args_int(&none, "partitions", 5, 1, 10, &value, &err), err);
	CHECK_INT(value, 5);
}

TEST(args_usage_text)
{
	struct mr_buf out = {0};
	args_usage(options, MR_COUNT(options), &out);
	CHECK_STR(mr_buf_view(&out), "  -o, --format FORMAT        how\n"
				     "  -p, --partitions N         how many\n"
				     "  -n, --dry-run              change nothing\n"
				     "      -json                  as JSON\n");
	mr_buf_release(&out);
}
