/* share/coordinator.c - opening and closing, the thread, deadlines. */
#include "share/coordinator.h"

#include <stdlib.h>

void share_options_default(struct share_options *options)
{
	*options = (struct share_options){
	    .session_ms = 45000,
	    .heartbeat_ms = 5000,
	    .size_max = 200,
	    .sessions_max = 2000,
	    .updates_per_snapshot = 500,
	    .prune_ms = 300000,
	    .limits = {.deliveries_max = 5, .locks_max = 2000, .lock_ms = 30000},
	};
}

void share_enter(struct share *share)
{
	pthread_mutex_lock(&share->lock);
}

void share_leave_lock(struct share *share)
{
	if (deadlines_next(&share->deadlines) < share->sleeps_until_ms)
		pthread_cond_signal(&share->wake);
	pthread_mutex_unlock(&share->lock);
}

int64_t share_now_ms(const struct share *share)
{
	return clock_mono_ms(share->env->clock);
}

void share_tell_moved(struct share *share, const struct share_part *part)
{
	if (share->moved)
		share->moved(share->moved_arg, part);
}

/* ---- groups ---- */

struct share_group *share_group_find(struct share *share, mr_str name)
{
	return mr_map_get(&share->by_name, name);
}

struct share_group *share_group_make(struct share *share, mr_str name)
{
	struct share_group *group = share_group_find(share, name);
	if (group)
		return group;
	group = mr_calloc(1, sizeof *group);
	group->share = share;
	group->name = mr_strndup(name);
	share_members_init(&group->members, &share->deadlines, DEADLINE_SHARE_SESSION);
	mr_map_put(&share->by_name, name, group);
	return group;
}

static void group_free(struct share_group *group)
{
	mr_map_each (&group->sessions, each)
		reader_free(each->value);
	mr_map_release(&group->sessions);
	share_members_release(&group->members);
	mr_map_each (&group->parts, each)
		part_free(each->value);
	mr_map_release(&group->parts);
	free(group->name);
	free(group);
}

bool share_group_is_blank(const struct share_group *group)
{
	if (group->known || group->members.by_id.len)
		return false;
	mr_map_each (&group->parts, each) {
		if (((const struct share_part *)each->value)->begun)
			return false;
	}
	return true;
}

struct share_limits share_limits_of(const struct share_group *group)
{
	const struct share_limits *preset = &group->share->options.limits;
	struct group_configs *configs = broker_group_configs(group->share->broker);
	mr_str name = mr_str_from(group->name);
	char renews[8];
	group_config_text(configs, name, "share.renew.acknowledge.enable", "true", renews, sizeof renews);
	return (struct share_limits){
	    .no_renewal = strcmp(renews, "true") != 0,
	    .deliveries_max = (int16_t)group_config_int(configs, name, "share.delivery.count.limit",
							preset->deliveries_max),
	    .locks_max = (int32_t)group_config_int(configs, name, "share.partition.max.record.locks",
						   preset->locks_max),
	    .lock_ms =
		(int32_t)group_config_int(configs, name, "share.record.lock.duration.ms", preset->lock_ms),
	};
}

static bool find_topic(void *arg, mr_str name, struct assign_topic *out)
{
	struct log_topic *topic = log_topic_find(arg, name);
	if (!topic)
		return false;
	log_topic_id(topic, out->id);
	out->partitions = log_topic_partition_count(topic);
	return true;
}

struct share_topics share_topics_of(struct share *share)
{
	return (struct share_topics){broker_store(share->broker), find_topic};
}

/* ---- time ---- */

static void member_is_silent(struct share *share, struct share_member *member)
{
	struct share_group *group = MR_CONTAINER_OF(member->group, struct share_group, members);
	struct share_reader *reader = mr_map_get(&group->sessions, mr_str_from(member->id));
	struct share_topics topics = share_topics_of(share);
	if (reader)
		reader_close(reader);
	share_members_drop(&group->members, member, &topics);
}

/* Returns where the states' topic may begin, or -1. */
static int64_t fire_due(struct share *share)
{
	int64_t prune = -1;
	struct deadline *due;
	while ((due = deadlines_take(&share->deadlines, share_now_ms(share)))) {
		if (due->kind == DEADLINE_SHARE_SESSION) {
			member_is_silent(share, due->owner);
		} else if (due->kind == DEADLINE_SHARE_LOCK) {
			part_fire_lock(due->owner);
		} else {
			prune = share_prune_point(share);
			deadline_set(&share->deadlines, due, share_now_ms(share) + share->options.prune_ms);
		}
	}
	return prune;
}

/* Deleting waits for the disk: without the lock. The next time will do what fails now. */
static void prune_to(struct share *share, int64_t offset)
{
	if (offset > 0 && share->topic)
		(void)!log_delete_records(log_partition_at(share->topic, 0), offset, NULL, NULL);
}

void share_tick(struct share *share)
{
	pthread_mutex_lock(&share->lock);
	int64_t prune = fire_due(share);
	pthread_mutex_unlock(&share->lock);
	prune_to(share, prune);
}

static void sleep_until(struct share *share, int64_t due_ms)
{
	int64_t delay_ms = mr_max_i64(due_ms - share_now_ms(share), 0) + 1;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += delay_ms / 1000;
	until.tv_nsec += delay_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	share->sleeps_until_ms = due_ms;
	pthread_cond_timedwait(&share->wake, &share->lock, &until);
	share->sleeps_until_ms = 0;
}

static void *run(void *arg)
{
	struct share *share = arg;
	pthread_mutex_lock(&share->lock);
	while (!share->stopping) {
		int64_t prune = fire_due(share);
		if (prune > 0) {
			pthread_mutex_unlock(&share->lock);
			prune_to(share, prune);
			pthread_mutex_lock(&share->lock);
			continue;
		}
		sleep_until(share, deadlines_next(&share->deadlines));
	}
	pthread_mutex_unlock(&share->lock);
	return NULL;
}

/* ---- open, close ---- */

static void init_locks(struct share *share)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&share->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&share->lock, NULL);
}

int share_open(const struct share_options *options, struct share **out, struct mr_error *err)
{
	struct share *share = mr_calloc(1, sizeof *share);
	share->env = options->env;
	share->broker = options->broker;
	share->groups = options->groups;
	share->options = *options;
	share->prune = (struct deadline){.kind = DEADLINE_SHARE_PRUNE, .owner = share};
	batch_writer_init(&share->batch, 0);
	init_locks(share);
	int rc = share_replay(share, err);
	deadline_set(&share->deadlines, &share->prune, share_now_ms(share) + options->prune_ms);
	if (rc == 0 && !options->manual) {
		int failed = pthread_create(&share->thread, NULL, run, share);
		share->thread_runs = !failed;
		if (failed)
			rc = mr_fail(err, MR_ERR_IO, "cannot start the share groups' thread: %s",
				     strerror(failed));
	}
	if (rc < 0) {
		share_close(share);
		return rc;
	}
	*out = share;
	return 0;
}

void share_close(struct share *share)
{
	if (!share)
		return;
	pthread_mutex_lock(&share->lock);
	share->stopping = true;
	pthread_cond_signal(&share->wake);
	pthread_mutex_unlock(&share->lock);
	if (share->thread_runs)
		pthread_join(share->thread, NULL);
	mr_map_each (&share->by_name, each)
		group_free(each->value);
	mr_map_release(&share->by_name);
	deadlines_release(&share->deadlines);
	batch_writer_release(&share->batch);
	mr_buf_release(&share->key);
	mr_buf_release(&share->value);
	pthread_cond_destroy(&share->wake);
	pthread_mutex_destroy(&share->lock);
	free(share);
}

void share_listen(struct share *share, void (*moved)(void *arg, const void *key), void *arg)
{
	share_enter(share);
	share->moved = moved;
	share->moved_arg = arg;
	share_leave_lock(share);
}
