/* Groups over a manual log on a simulated disk: nothing is stable until the test commits. */
#pragma once

#include "env/disk_sim.h"
#include "group/group.h"
#include "test.h"

struct group_fixture {
	struct sim_clock clock;
	struct mr_rng rng;
	struct env env;
	struct mr_disk *disk;
	struct log_store *store;
	struct broker *broker;
	struct groups *groups;
	struct groups_options options;
};

void group_fixture_init(struct group_fixture *f, uint64_t seed); /* the disk; nothing is open */
void group_fixture_open(struct group_fixture *f);
void group_fixture_close(struct group_fixture *f);
void group_fixture_crash(struct group_fixture *f); /* power is lost; open again */
void group_fixture_release(struct group_fixture *f);
void group_fixture_commit(struct group_fixture *f); /* one round of the log */

/* Commit one offset of topic "t" from outside of the group. */
int group_fixture_put(struct group_fixture *f, const char *group, int32_t partition, int64_t offset,
		      struct group_write *write);
/* -1 when none is committed. */
int64_t group_fixture_get(struct group_fixture *f, const char *group, int32_t partition);
