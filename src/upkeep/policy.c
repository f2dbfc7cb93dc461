#include "upkeep/policy.h"

#define BACKOFF_MS_FIRST 1000
#define BACKOFF_MS_MOST 600000

const char *chore_name(enum chore chore)
{
	static const char *const names[] = {"NONE", "SET TBLPROPERTIES", "OPTIMIZE", "VACUUM"};
	return names[chore];
}

bool upkeep_looks(const struct upkeep_policy *policy, const struct upkeep_state *state, int64_t files)
{
	if (!policy->optimize_at || files < policy->optimize_at)
		return false;
	return state->files_at_look < 0 || files - state->files_at_look >= (policy->optimize_at + 1) / 2;
}

enum chore upkeep_choose(const struct upkeep_policy *policy, const struct upkeep_state *state,
			 const struct upkeep_figures *figures)
{
	if (!state->properties_done)
		return CHORE_PROPERTIES;
	if (!figures->derived && figures->looked && figures->mergeable >= policy->optimize_at)
		return CHORE_OPTIMIZE;
	if (policy->vacuum_every_ms >= 0 && figures->now_ms - state->vacuumed_ms >= policy->vacuum_every_ms)
		return CHORE_VACUUM;
	return CHORE_NONE;
}

void upkeep_failed(struct upkeep_state *state, int64_t now_ms)
{
	state->backoff_ms =
	    state->backoff_ms ? mr_min_i64(state->backoff_ms * 2, BACKOFF_MS_MOST) : BACKOFF_MS_FIRST;
	state->retry_ms = now_ms + state->backoff_ms;
}
