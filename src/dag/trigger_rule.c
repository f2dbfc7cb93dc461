#include "dag/trigger_rule.h"

#include "conf/nearest.h"

static const char *const names[TRIGGER_RULES] = {
    [RULE_ALL_SUCCESS] = "all_success",
    [RULE_ALL_FAILED] = "all_failed",
    [RULE_ALL_DONE] = "all_done",
    [RULE_ALL_DONE_MIN_ONE_SUCCESS] = "all_done_min_one_success",
    [RULE_ALL_DONE_SETUP_SUCCESS] = "all_done_setup_success",
    [RULE_ONE_SUCCESS] = "one_success",
    [RULE_ONE_FAILED] = "one_failed",
    [RULE_ONE_DONE] = "one_done",
    [RULE_NONE_FAILED] = "none_failed",
    [RULE_NONE_FAILED_MIN_ONE_SUCCESS] = "none_failed_min_one_success",
    [RULE_NONE_SKIPPED] = "none_skipped",
    [RULE_ALL_SKIPPED] = "all_skipped",
    [RULE_ALWAYS] = "always",
};

/* The counters, and what is derived from them more than once. */
struct tally {
	struct upstream_counts n;
	int32_t bad;  /* failed in one way or the other */
	int32_t done; /* in any final state */
	bool all_done;
	int32_t map_index;
};

static enum rule_verdict when(bool run)
{
	return run ? RULE_RUN : RULE_WAIT;
}

static enum rule_verdict all_success(const struct tally *t)
{
	if (t->bad)
		return RULE_UPSTREAM_FAIL;
	if (t->n.skipped)
		return RULE_SKIP;
	/* An instance whose counterpart upstream is no longer there goes with it. */
	if (t->n.removed && t->n.success && t->map_index >= t->n.success)
		return RULE_REMOVE;
	return when(t->n.success + t->n.removed >= t->n.total);
}

static enum rule_verdict all_failed(const struct tally *t)
{
	if (t->n.success || t->n.skipped)
		return RULE_SKIP;
	return when(t->bad + t->n.removed >= t->n.total);
}

static enum rule_verdict all_done(const struct tally *t)
{
	return when(t->all_done);
}

static enum rule_verdict all_done_min_one_success(const struct tally *t)
{
	if (t->n.skipped)
		return RULE_SKIP;
	if (!t->all_done)
		return RULE_WAIT;
	return t->n.success ? RULE_RUN : RULE_UPSTREAM_FAIL;
}

static enum rule_verdict all_done_setup_success(const struct tally *t)
{
	if (!t->all_done)
		return RULE_WAIT;
	if (t->n.setup_total && t->n.setup_skipped >= t->n.setup_total)
		return RULE_SKIP;
	return t->n.setup_total && !t->n.setup_success ? RULE_UPSTREAM_FAIL : RULE_RUN;
}

static enum rule_verdict one_success(const struct tally *t)
{
	if (t->n.success)
		return RULE_RUN;
	if (!t->all_done)
		return RULE_WAIT;
	return t->n.skipped == t->done ? RULE_SKIP : RULE_UPSTREAM_FAIL;
}

static enum rule_verdict one_failed(const struct tally *t)
{
	if (t->bad)
		return RULE_RUN;
	return t->all_done ? RULE_SKIP : RULE_WAIT;
}

static enum rule_verdict one_done(const struct tally *t)
{
	if (t->n.success + t->n.failed)
		return RULE_RUN;
	return t->all_done ? RULE_SKIP : RULE_WAIT;
}

static enum rule_verdict none_failed(const struct tally *t)
{
	return t->bad ? RULE_UPSTREAM_FAIL : when(t->all_done);
}

static enum rule_verdict none_failed_min_one_success(const struct tally *t)
{
	if (t->bad)
		return RULE_UPSTREAM_FAIL;
	if (t->n.skipped == t->n.total)
		return RULE_SKIP;
	if (!t->all_done)
		return RULE_WAIT;
	return t->n.success ? RULE_RUN : RULE_UPSTREAM_FAIL;
}

static enum rule_verdict none_skipped(const struct tally *t)
{
	return t->n.skipped ? RULE_SKIP : when(t->all_done);
}

static enum rule_verdict all_skipped(const struct tally *t)
{
	return t->n.success || t->bad ? RULE_SKIP : when(t->n.skipped >= t->n.total);
}

static enum rule_verdict always(const struct tally *t)
{
	(void)t;
	return RULE_RUN;
}

static enum rule_verdict (*const rules[TRIGGER_RULES])(const struct tally *) = {
    [RULE_ALL_SUCCESS] = all_success,
    [RULE_ALL_FAILED] = all_failed,
    [RULE_ALL_DONE] = all_done,
    [RULE_ALL_DONE_MIN_ONE_SUCCESS] = all_done_min_one_success,
    [RULE_ALL_DONE_SETUP_SUCCESS] = all_done_setup_success,
    [RULE_ONE_SUCCESS] = one_success,
    [RULE_ONE_FAILED] = one_failed,
    [RULE_ONE_DONE] = one_done,
    [RULE_NONE_FAILED] = none_failed,
    [RULE_NONE_FAILED_MIN_ONE_SUCCESS] = none_failed_min_one_success,
    [RULE_NONE_SKIPPED] = none_skipped,
    [RULE_ALL_SKIPPED] = all_skipped,
    [RULE_ALWAYS] = always,
};

enum rule_verdict trigger_rule_verdict(enum trigger_rule rule, const struct upstream_counts *up,
				       int32_t map_index)
{
	if (up->total == 0)
		return RULE_RUN;
	struct tally tally = {.n = *up, .map_index = map_index};
	tally.bad = up->failed + up->upstream_failed;
	tally.done = up->success + up->skipped + tally.bad + up->removed;
	tally.all_done = tally.done >= up->total;
	return rules[rule](&tally);
}

const char *trigger_rule_name(enum trigger_rule rule)
{
	return names[rule];
}

bool trigger_rule_parse(mr_str name, enum trigger_rule *out)
{
	for (size_t i = 0; i < TRIGGER_RULES; i++) {
		if (mr_str_is(name, names[i])) {
			*out = (enum trigger_rule)i;
			return true;
		}
	}
	bool older = mr_str_is(name, "none_failed_or_skipped"), dummy = mr_str_is(name, "dummy");
	if (older || dummy)
		*out = dummy ? RULE_ALWAYS : RULE_NONE_FAILED_MIN_ONE_SUCCESS;
	return older || dummy;
}

const char *trigger_rule_nearest(mr_str name)
{
	return conf_nearest(name, names, TRIGGER_RULES);
}

const char *rule_verdict_name(enum rule_verdict verdict)
{
	static const char *const verdicts[] = {
	    [RULE_WAIT] = "wait",      [RULE_RUN] = "run",
	    [RULE_SKIP] = "skipped",   [RULE_UPSTREAM_FAIL] = "upstream_failed",
	    [RULE_REMOVE] = "removed",
	};
	return verdicts[verdict];
}
