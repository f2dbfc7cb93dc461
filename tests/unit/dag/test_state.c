/* tests/unit/dag/test_state.c - the state table and the trigger rules. */
#include "test.h"

#include "base/buf.h"
#include "dag/state.h"
#include "dag/trigger_rule.h"

TEST(state_names_come_back)
{
	for (int i = 0; i < TASK_STATES; i++) {
		enum task_state state;
		CHECK(task_state_parse(mr_str_from(task_state_name((enum task_state)i)), &state));
		CHECK_INT(state, i);
	}
	enum task_state none;
	CHECK(!task_state_parse(MR_STR("sucess"), &none));
}

/* No pair twice, nothing leaves a final state but by clear, everything can be cleared except what
 * has not begun and what is being cleared. */
TEST(state_table_is_sound)
{
	for (int from = 0; from < TASK_STATES; from++) {
		for (int event = 0; event < TASK_EVENTS; event++) {
			const struct task_move *move =
			    task_move((enum task_state)from, (enum task_event)event);
			if (!move)
				continue;
			if (task_state_done((enum task_state)from))
				CHECK_INT(event, TASK_ON_CLEAR);
			CHECK_INT(move->effect == TASK_DO_DONE, task_state_done(move->to));
			CHECK_INT(move->effect == TASK_DO_START, move->to == TASK_QUEUED);
		}
		bool clearable = task_move((enum task_state)from, TASK_ON_CLEAR) != NULL;
		CHECK_INT(clearable, from != TASK_NONE && from != TASK_RESTARTING);
	}
}

static enum rule_verdict verdict(const char *rule_name, const char *states)
{
	enum trigger_rule rule;
	CHECK(trigger_rule_parse(mr_str_from(rule_name), &rule));
	struct upstream_counts up = {0};
	for (; *states; states++) {
		up.total++;
		up.success += *states == 's' || *states == 'S';
		up.skipped += *states == 'k' || *states == 'K';
		up.failed += *states == 'f' || *states == 'F';
		up.upstream_failed += *states == 'u';
		up.removed += *states == 'r';
		up.setup_total += *states >= 'A' && *states <= 'Z';
		up.setup_success += *states == 'S';
		up.setup_skipped += *states == 'K';
	}
	return trigger_rule_verdict(rule, &up, -1);
}

/* s success, k skipped, f failed, u upstream_failed, r removed, . not done; capitals: setup tasks. */
TEST(rule_says_what_airflow_says)
{
	static const struct {
		const char *rule, *states, *says;
	} cases[] = {
	    {"all_success", "ss", "run"},
	    {"all_success", "s.", "wait"},
	    {"all_success", ".f", "upstream_failed"},
	    {"all_success", ".k", "skipped"},
	    {"all_success", "kf", "upstream_failed"},
	    {"all_success", "rr", "run"},
	    {"all_failed", "fu", "run"},
	    {"all_failed", "f.", "wait"},
	    {"all_failed", ".s", "skipped"},
	    {"all_failed", "fr", "run"},
	    {"all_done", "skfur", "run"},
	    {"all_done", "skfu.", "wait"},
	    {"all_done_min_one_success", "sf", "run"},
	    {"all_done_min_one_success", "ff", "upstream_failed"},
	    {"all_done_min_one_success", "s.", "wait"},
	    {"all_done_min_one_success", ".k", "skipped"},
	    {"all_done_setup_success", "Sf", "run"},
	    {"all_done_setup_success", "Fs", "upstream_failed"},
	    {"all_done_setup_success", "Ks", "skipped"},
	    {"all_done_setup_success", "ff", "run"},
	    {"one_success", ".s", "run"},
	    {"one_success", "fk", "upstream_failed"},
	    {"one_success", "kk", "skipped"},
	    {"one_success", "f.", "wait"},
	    {"one_failed", ".u", "run"},
	    {"one_failed", "sk", "skipped"},
	    {"one_done", ".f", "run"},
	    {"one_done", ".u", "wait"},
	    {"one_done", "ku", "skipped"},
	    {"none_failed", "sk", "run"},
	    {"none_failed", "s.", "wait"},
	    {"none_failed", ".u", "upstream_failed"},
	    {"none_failed", "rr", "run"},
	    {"none_failed_min_one_success", "sk", "run"},
	    {"none_failed_min_one_success", "kk", "skipped"},
	    {"none_failed_min_one_success", "kf", "upstream_failed"},
	    {"none_failed_or_skipped", "kk", "skipped"},
	    {"none_skipped", "sf", "run"},
	    {"none_skipped", ".k", "skipped"},
	    {"all_skipped", "kk", "run"},
	    {"all_skipped", "k.", "wait"},
	    {"all_skipped", ".s", "skipped"},
	    {"all_skipped", "kr", "wait"},
	    {"always", "..", "run"},
	    {"all_success", "", "run"},
	};
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		const char *says = rule_verdict_name(verdict(cases[i].rule, cases[i].states));
		if (strcmp(says, cases[i].says) != 0)
			test_fail(__FILE__, __LINE__, "%s of %s says %s, expected %s", cases[i].rule,
				  cases[i].states, says, cases[i].says);
	}
}

/* Once every upstream is done a rule decides, except all_skipped with removed ones; and what it
 * decided before does not change when more of them end. */
TEST(rule_decides_and_stays_decided)
{
	static const char letters[] = "skfu";
	for (int rule = 0; rule < TRIGGER_RULES; rule++) {
		for (int i = 0; i < 4 * 4 * 4; i++) {
			char states[4] = {letters[i & 3], letters[i >> 2 & 3], letters[i >> 4], 0};
			CHECK(verdict(trigger_rule_name((enum trigger_rule)rule), states) != RULE_WAIT);
		}
	}
	CHECK_INT(verdict("one_success", "s.f"), RULE_RUN);
	CHECK_INT(verdict("one_success", "skf"), RULE_RUN);
}
