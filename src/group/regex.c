#include "group/regex.h"

#include "base/mem.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define PATTERN_BYTES_MAX 4096
#define MATCH_STEPS_MAX 100000
#define MATCH_HEAP_KIB_MAX 1024

struct topic_regex {
	pcre2_code *code;
	pcre2_match_data *data;
	pcre2_match_context *limits;
};

int topic_regex_new(mr_str pattern, struct topic_regex **out, struct mr_error *err)
{
	int number;
	PCRE2_SIZE at;
	if (pattern.len > PATTERN_BYTES_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "a regular expression of %zu bytes; %d are allowed",
			       pattern.len, PATTERN_BYTES_MAX);
	pcre2_code *code =
	    pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len,
			  PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NEVER_BACKSLASH_C, &number, &at, NULL);
	if (!code) {
		PCRE2_UCHAR text[128];
		pcre2_get_error_message(number, text, sizeof text);
		return mr_fail(err, MR_ERR_INVALID, "the regular expression %.*s: %s at character %zu",
			       MR_FMT(pattern), (const char *)text, at);
	}
	struct topic_regex *regex = mr_calloc(1, sizeof *regex);
	regex->code = code;
	regex->data = pcre2_match_data_create(1, NULL);
	regex->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(regex->limits, MATCH_STEPS_MAX);
	pcre2_set_heap_limit(regex->limits, MATCH_HEAP_KIB_MAX);
	*out = regex;
	return 0;
}

void topic_regex_free(struct topic_regex *regex)
{
	if (!regex)
		return;
	pcre2_match_context_free(regex->limits);
	pcre2_match_data_free(regex->data);
	pcre2_code_free(regex->code);
	free(regex);
}

bool topic_regex_matches(const struct topic_regex *regex, mr_str name)
{
	return pcre2_match(regex->code, (PCRE2_SPTR)name.ptr, name.len, 0, 0, regex->data, regex->limits) >=
	       0;
}
