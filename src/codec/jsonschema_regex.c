/* codec/jsonschema_regex.c - ECMA 262 patterns through PCRE2, shared between threads.
 *
 * A match needs scratch memory. Each regex keeps one spare: a thread takes it, or makes one
 * when another thread has it, and gives it back; in steady state nothing is allocated.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "codec/jsonschema_node.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

#define MATCH_STEPS_MAX 200000 /* a pattern that backtracks further does not match */

struct schema_regex {
	mr_str text;
	pcre2_code *code;
	pcre2_match_context *limits;
	_Atomic(pcre2_match_data *) spare;
	struct schema_regex *next;
};

int schema_regex_new(struct json_schema *schema, mr_str pattern, struct schema_regex **out,
		     struct mr_error *err)
{
	/* What differs in ECMA 262: \uXXXX, [^], and $ that only matches at the very end. */
	uint32_t options = PCRE2_UTF | PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_DOLLAR_ENDONLY |
			   PCRE2_MATCH_UNSET_BACKREF;
	int number;
	PCRE2_SIZE at;
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, options, &number, &at, NULL);
	if (!code) {
		PCRE2_UCHAR why[128];
		pcre2_get_error_message(number, why, sizeof why);
		return mr_fail(err, MR_ERR_INVALID, "bad pattern \"%.*s\" at character %zu: %s",
			       (int)mr_min_size(pattern.len, 200), pattern.ptr, (size_t)at + 1,
			       (const char *)why);
	}
	pcre2_jit_compile(code, PCRE2_JIT_COMPLETE); /* without it, slower */
	struct schema_regex *regex = arena_calloc(&schema->arena, 1, sizeof *regex);
	regex->text = arena_copy(&schema->arena, pattern);
	regex->code = code;
	regex->limits = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(regex->limits, MATCH_STEPS_MAX);
	regex->next = schema->regexes;
	schema->regexes = regex;
	*out = regex;
	return 0;
}

bool schema_regex_matches(struct schema_regex *regex, mr_str text)
{
	pcre2_match_data *data = atomic_exchange(&regex->spare, NULL);
	if (!data)
		data = pcre2_match_data_create(1, NULL);
	int rc = pcre2_match(regex->code, (PCRE2_SPTR)text.ptr, text.len, 0, PCRE2_NO_UTF_CHECK, data,
			     regex->limits);
	data = atomic_exchange(&regex->spare, data);
	if (data)
		pcre2_match_data_free(data);
	return rc >= 0;
}

mr_str schema_regex_text(const struct schema_regex *regex)
{
	return regex->text;
}

void schema_regexes_free(struct schema_regex *list)
{
	for (; list; list = list->next) { /* the list itself is in the arena */
		pcre2_match_data_free(atomic_load(&list->spare));
		pcre2_match_context_free(list->limits);
		pcre2_code_free(list->code);
	}
}
