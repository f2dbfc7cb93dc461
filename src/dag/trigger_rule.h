/* dag/trigger_rule.h - Airflow's thirteen trigger rules as one pure function over counters.
 *
 * Facts from the evaluation of Airflow 3: a `removed` upstream counts as fine for all_success,
 * all_failed and none_failed; skips and failures are seen at once, without waiting for the rest.
 */
#pragma once

#include "base/types.h"

enum trigger_rule {
	RULE_ALL_SUCCESS,
	RULE_ALL_FAILED,
	RULE_ALL_DONE,
	RULE_ALL_DONE_MIN_ONE_SUCCESS,
	RULE_ALL_DONE_SETUP_SUCCESS,
	RULE_ONE_SUCCESS,
	RULE_ONE_FAILED,
	RULE_ONE_DONE,
	RULE_NONE_FAILED,
	RULE_NONE_FAILED_MIN_ONE_SUCCESS,
	RULE_NONE_SKIPPED,
	RULE_ALL_SKIPPED,
	RULE_ALWAYS,
	TRIGGER_RULES
};

/* The states of a task's direct upstream instances. What is in none of the five is not done. */
struct upstream_counts {
	int32_t total;
	int32_t success, skipped, failed, upstream_failed, removed;
	int32_t setup_total, setup_success, setup_skipped; /* those of them that are setup tasks */
};

enum rule_verdict { RULE_WAIT, RULE_RUN, RULE_SKIP, RULE_UPSTREAM_FAIL, RULE_REMOVE };

/* map_index: of the instance that asks; -1 when it is not mapped. */
enum rule_verdict trigger_rule_verdict(enum trigger_rule rule, const struct upstream_counts *up,
				       int32_t map_index);

const char *trigger_rule_name(enum trigger_rule rule);
/* Also Airflow 1's `dummy` for always and `none_failed_or_skipped`. */
bool trigger_rule_parse(mr_str name, enum trigger_rule *out);
const char *trigger_rule_nearest(mr_str name);            /* for a message; NULL */
const char *rule_verdict_name(enum rule_verdict verdict); /* "wait", "run", "skipped", … */
