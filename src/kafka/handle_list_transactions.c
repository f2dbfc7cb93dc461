/* ListTransactions (66), versions 0-2: transactional ids, filtered by state, producer id, how long the
 * transaction has been under way, and (from version 2) a regular expression that the id matches whole.
 *
 * States that do not exist are named in the reply. An expression that cannot be read answers
 * INVALID_REGULAR_EXPRESSION. Lists what the user may describe.
 */
#include "kafka/handler.h"
#include "kafka/security.h"

#include <regex.h>

#define PATTERN_MAX 1024

struct filter {
	const struct list_transactions_request *in;
	bool has_pattern;
	regex_t pattern;
	int64_t now_ms;
};

static bool state_known(mr_str name)
{
	for (int state = 0; state < TXN_STATES; state++) {
		if (mr_str_eq(mr_str_from(txn_state_word((enum txn_state)state)), name))
			return true;
	}
	return false;
}

static bool matches_id(const struct filter *f, mr_str id, struct arena *arena)
{
	regmatch_t match;
	if (!f->has_pattern)
		return true;
	return regexec(&f->pattern, arena_copy(arena, id).ptr, 1, &match, 0) == 0 && match.rm_so == 0 &&
	       (size_t)match.rm_eo == id.len;
}

static bool passes(const struct filter *f, const struct txn_view *view, struct arena *arena)
{
	const struct list_transactions_request *in = f->in;
	bool state = in->state_filters.count == 0, producer = in->producer_id_filters.count == 0;
	for (int32_t i = 0; i < in->state_filters.count; i++)
		state |= mr_str_eq(mr_str_from(txn_state_word(view->state)), in->state_filters.items[i]);
	for (int32_t i = 0; i < in->producer_id_filters.count; i++)
		producer |= in->producer_id_filters.items[i] == view->producer_id;
	bool lasts = in->duration_filter_ms < 0 ||
		     (view->start_ms >= 0 && f->now_ms - view->start_ms > in->duration_filter_ms);
	return state && producer && lasts && matches_id(f, view->id, arena);
}

/* 0, or the error code. */
static int16_t filter_init(struct request *r, struct filter *f)
{
	const struct list_transactions_request *in = r->in;
	*f = (struct filter){.in = in, .now_ms = txns_now_ms(request_core(r)->txns)};
	if (!in->transactional_id_pattern.ptr || in->transactional_id_pattern.len == 0)
		return KE_NONE;
	if (in->transactional_id_pattern.len > PATTERN_MAX)
		return KE_INVALID_REGULAR_EXPRESSION;
	const char *pattern = arena_copy(&r->arena, in->transactional_id_pattern).ptr;
	f->has_pattern = regcomp(&f->pattern, pattern, REG_EXTENDED) == 0;
	return f->has_pattern ? KE_NONE : KE_INVALID_REGULAR_EXPRESSION;
}

static void name_unknown_states(struct request *r)
{
	const struct list_transactions_request *in = r->in;
	struct list_transactions_response *out = r->out;
	request_array(r, &out->unknown_state_filters, in->state_filters.count);
	out->unknown_state_filters.count = 0;
	for (int32_t i = 0; i < in->state_filters.count; i++) {
		if (!state_known(in->state_filters.items[i]))
			out->unknown_state_filters.items[out->unknown_state_filters.count++] =
			    in->state_filters.items[i];
	}
}

enum step list_transactions_step(struct request *r)
{
	struct list_transactions_response *out = r->out;
	struct filter filter;
	name_unknown_states(r);
	out->error_code = request_code(r, filter_init(r, &filter));
	if (out->error_code != KE_NONE)
		return STEP_DONE;
	size_t count;
	struct txn_view *views = txns_list(request_core(r)->txns, &count, &r->arena);
	request_array(r, &out->transaction_states, count);
	out->transaction_states.count = 0;
	for (size_t i = 0; i < count; i++) {
		if (!passes(&filter, &views[i], &r->arena) ||
		    !request_may(r, ACL_DESCRIBE, ACL_TRANSACTIONAL_ID, views[i].id))
			continue;
		out->transaction_states.items[out->transaction_states.count++] =
		    (struct list_transactions_state){views[i].id, views[i].producer_id,
						     mr_str_from(txn_state_word(views[i].state))};
	}
	if (filter.has_pattern)
		regfree(&filter.pattern);
	return STEP_DONE;
}
