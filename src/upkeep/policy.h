/* upkeep/policy.h - which chore a table needs now: figures in, a word out. No I/O. */
#pragma once

#include "base/types.h"

struct upkeep_policy {
	int64_t target_file_bytes;
	int32_t optimize_at;     /* so many small files that have a neighbour; 0: never */
	int64_t vacuum_every_ms; /* -1: never */
	/* Table properties; 0: as the table has them. */
	int64_t retain_ms, log_retention_ms;
	int32_t checkpoint_every;
};

enum chore { CHORE_NONE, CHORE_PROPERTIES, CHORE_OPTIMIZE, CHORE_VACUUM };
const char *chore_name(enum chore chore); /* "OPTIMIZE" */

/* A file below it is small: two of them are one that is not. */
static inline int64_t upkeep_small_bytes(const struct upkeep_policy *policy)
{
	return policy->target_file_bytes / 2;
}

/* What is remembered of a table between looks. */
struct upkeep_state {
	bool properties_done;
	int64_t files_at_look; /* -1: not looked at yet */
	int64_t vacuumed_ms;   /* wall clock */
	int64_t retry_ms;      /* after a failure: not before */
	int64_t backoff_ms;
};

/* Is a closer look at the files worth it? They are counted only when enough of them came. */
bool upkeep_looks(const struct upkeep_policy *policy, const struct upkeep_state *state, int64_t files);

struct upkeep_figures {
	int64_t now_ms;
	bool derived, looked;
	int64_t mergeable; /* small files that share a partition with another; when looked */
};
enum chore upkeep_choose(const struct upkeep_policy *policy, const struct upkeep_state *state,
			 const struct upkeep_figures *figures);

void upkeep_failed(struct upkeep_state *state, int64_t now_ms);
