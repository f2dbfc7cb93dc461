#include "group/group_fixture.h"

#include <stdlib.h>

void group_fixture_init(struct group_fixture *f, uint64_t seed)
{
	*f = (struct group_fixture){0};
	sim_clock_init(&f->clock, 1700000000LL * 1000000);
	rng_seed(&f->rng, seed);
	f->disk = sim_disk_new(seed);
	f->env = (struct env){&f->clock.base, f->disk, &f->rng};
	groups_options_default(&f->options);
	f->options.manual = true;
}

void group_fixture_open(struct group_fixture *f)
{
	struct mr_error err;
	struct log_store_options store = {
	    .env = &f->env, .dir = "data", .journal_bytes = 1 << 20, .manual = true};
	CHECK_OK(log_store_open(&store, &f->store, &err), err);
	struct broker_options broker = {.env = &f->env, .store = f->store};
	log_topic_config_default(&broker.topic_default);
	CHECK_OK(broker_new(&broker, &f->broker, &err), err);
	struct log_topic_config config;
	struct log_topic *topic;
	log_topic_config_default(&config);
	if (!log_topic_find(f->store, MR_STR("t")))
		CHECK_OK(log_topic_create(f->store, MR_STR("t"), &config, &topic, &err), err);
	f->options.env = &f->env;
	f->options.broker = f->broker;
	CHECK_OK(groups_open(&f->options, &f->groups, &err), err);
}

void group_fixture_close(struct group_fixture *f)
{
	groups_close(f->groups);
	broker_free(f->broker);
	log_store_close(f->store);
}

void group_fixture_crash(struct group_fixture *f)
{
	sim_disk_crash(f->disk);
	groups_close(f->groups);
	broker_free(f->broker);
	log_store_abandon(f->store);
	group_fixture_open(f);
}

void group_fixture_release(struct group_fixture *f)
{
	sim_disk_free(f->disk);
}

void group_fixture_commit(struct group_fixture *f)
{
	struct mr_error err;
	CHECK_OK(log_store_commit(f->store, &err), err);
}

int group_fixture_put(struct group_fixture *f, const char *group, int32_t partition, int64_t offset,
		      struct group_write *write)
{
	struct group_offset_entry entry = {
	    .topic = MR_STR("t"),
	    .partition = partition,
	    .offset = offset,
	    .leader_epoch = 3,
	    .metadata = MR_STR("note"),
	};
	struct group_commit in = {
	    .member = {mr_str_from(group), MR_STR(""), MR_STR_NULL, -1}, .entries = &entry, .count = 1};
	int rc = groups_commit(f->groups, &in, write, NULL);
	return rc ? rc : entry.code;
}

int64_t group_fixture_get(struct group_fixture *f, const char *group, int32_t partition)
{
	struct arena arena = {0};
	struct group_fetch in = {.member = {.group = mr_str_from(group), .generation = -1}};
	struct group_offset_entry entry = {.topic = MR_STR("t"), .partition = partition};
	CHECK_INT(groups_fetch(f->groups, &in, &entry, 1, &arena), GROUP_OK);
	CHECK_INT(entry.code, GROUP_OK);
	if (entry.offset >= 0) {
		CHECK_INT(entry.leader_epoch, 3);
		CHECK_STR(entry.metadata, "note");
	}
	arena_release(&arena);
	return entry.offset;
}
