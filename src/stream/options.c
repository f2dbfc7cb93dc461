#include "stream/options.h"

#include "codec/columns.h"
#include "conf/nearest.h"
#include "conf/units.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct setting {
	mr_str value;
	struct stream_options *out;
	struct mr_error *err;
};

static int take_flag(struct setting *s, bool *out)
{
	bool yes = s->value.len == 4 && strncasecmp(s->value.ptr, "true", 4) == 0;
	if (!yes && !(s->value.len == 5 && strncasecmp(s->value.ptr, "false", 5) == 0))
		return mr_fail(s->err, MR_ERR_INVALID, "expected true or false");
	*out = yes;
	return 0;
}

static int take_integer(struct setting *s, int64_t least, int64_t *out)
{
	char text[24], *end;
	if (s->value.len < sizeof text) {
		memcpy(text, s->value.ptr, s->value.len);
		text[s->value.len] = 0;
		errno = 0;
		long long n = strtoll(text, &end, 10);
		if (s->value.len && !*end && !errno && n >= least) {
			*out = n;
			return 0;
		}
	}
	return mr_fail(s->err, MR_ERR_INVALID, "expected a whole number, at least %lld", (long long)least);
}

static int start_once(struct setting *s)
{
	if (s->out->start == STREAM_START_SNAPSHOT)
		return 0;
	return mr_fail(s->err, MR_ERR_INVALID,
		       "a stream has one start: startingVersion or startingTimestamp");
}

static int set_version(struct setting *s)
{
	int rc = start_once(s);
	if (rc < 0)
		return rc;
	bool latest = s->value.len == 6 && strncasecmp(s->value.ptr, "latest", 6) == 0;
	s->out->start = latest ? STREAM_START_LATEST : STREAM_START_VERSION;
	return latest ? 0 : take_integer(s, 0, &s->out->start_at);
}

static int set_timestamp(struct setting *s)
{
	int64_t us;
	int rc = start_once(s);
	if (rc < 0)
		return rc;
	if (!parse_timestamp_us(s->value, &us))
		return mr_fail(s->err, MR_ERR_INVALID,
			       "expected a time in quotes, '2026-01-31' or '2026-01-31T12:00:00Z'");
	s->out->start = STREAM_START_TIMESTAMP;
	/* A time within a millisecond is after the versions of that millisecond. */
	s->out->start_at = us / 1000 + (us % 1000 > 0);
	return 0;
}

static int set_files(struct setting *s)
{
	return take_integer(s, 1, &s->out->max_files);
}

/* Spark's sizes have one letter, and it counts in 1024s: 10m. */
static int set_bytes(struct setting *s)
{
	static const struct {
		char letter;
		int shift;
	} units[] = {{'b', 0}, {'k', 10}, {'m', 20}, {'g', 30}, {'t', 40}};
	size_t n = s->value.len;
	for (size_t i = 0; n > 1 && i < MR_COUNT(units); i++) {
		struct setting number = *s;
		int64_t bytes;
		number.value.len = n - 1;
		if ((s->value.ptr[n - 1] | 32) != units[i].letter || take_integer(&number, 1, &bytes) < 0)
			continue;
		if (bytes > INT64_MAX >> units[i].shift)
			return mr_fail(s->err, MR_ERR_LIMIT, "the size is too large");
		s->out->max_bytes = bytes << units[i].shift;
		return 0;
	}
	int rc = conf_parse_size(s->value, &s->out->max_bytes, s->err);
	if (rc == 0 && s->out->max_bytes < 1)
		return mr_fail(s->err, MR_ERR_INVALID, "expected a size above 0");
	return rc;
}

static int set_ignore_deletes(struct setting *s)
{
	return take_flag(s, &s->out->ignore_deletes);
}

static int set_ignore_changes(struct setting *s)
{
	return take_flag(s, &s->out->ignore_changes);
}

static int set_skip_changes(struct setting *s)
{
	return take_flag(s, &s->out->skip_change_commits);
}

static int set_change_feed(struct setting *s)
{
	return take_flag(s, &s->out->read_change_feed);
}

static const struct option {
	const char *name;
	int (*set)(struct setting *setting);
} known[] = {
    {"startingVersion", set_version},        {"startingTimestamp", set_timestamp},
    {"maxFilesPerTrigger", set_files},       {"maxBytesPerTrigger", set_bytes},
    {"ignoreDeletes", set_ignore_deletes},   {"ignoreChanges", set_ignore_changes},
    {"skipChangeCommits", set_skip_changes}, {"readChangeFeed", set_change_feed},
    {"readChangeData", set_change_feed}, /* Spark's older name */
};

static const struct option *find(mr_str name, struct mr_error *err)
{
	const char *names[MR_COUNT(known)];
	for (size_t i = 0; i < MR_COUNT(known); i++) {
		names[i] = known[i].name;
		if (strlen(names[i]) == name.len && strncasecmp(names[i], name.ptr, name.len) == 0)
			return &known[i];
	}
	const char *near = conf_nearest(name, names, MR_COUNT(names));
	mr_fail(err, MR_ERR_NOT_FOUND, "a STREAM has no option %.*s%s%s%s", MR_FMT(name),
		near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	return NULL;
}

static int set_one(const struct option *option, struct setting *setting, unsigned *seen)
{
	unsigned bit = 1u << (option - known);
	int rc = *seen & bit ? mr_fail(setting->err, MR_ERR_INVALID, "given twice") : option->set(setting);
	*seen |= bit;
	return rc < 0 ? mr_error_wrap(setting->err, rc, "%s", option->name) : 0;
}

int stream_options_parse(const struct token *tokens, size_t count, struct arena *arena,
			 struct stream_options *out, size_t *error_token, struct mr_error *err)
{
	struct stream_options options = STREAM_OPTIONS_DEFAULT;
	unsigned seen = 0;
	size_t i = 0;
	int rc = 0;
	while (rc == 0 && i < count) {
		*error_token = i;
		const struct option *option = find(token_value(&tokens[i++], DIALECT_SPARK, arena), err);
		if (!option)
			return MR_ERR_NOT_FOUND;
		i += i < count && token_is(&tokens[i], "=");
		bool value = i < count && !token_is(&tokens[i], ",");
		struct setting setting = {.value = value ? token_value(&tokens[i], DIALECT_SPARK, arena)
							 : MR_STR("true"),
					  .out = &options,
					  .err = err};
		*error_token = i - !value;
		rc = set_one(option, &setting, &seen);
		i += value;
		if (rc == 0 && i < count && !token_is(&tokens[i++], ",")) {
			*error_token = i - 1;
			rc = mr_fail(err, MR_ERR_INVALID, "expected ',' or ')'");
		}
	}
	/* A limit on bytes alone lifts the one on files, as in Spark. */
	if (options.max_bytes != INT64_MAX && !(seen & 1u << 2))
		options.max_files = INT64_MAX;
	if (rc == 0)
		*out = options;
	return rc;
}
