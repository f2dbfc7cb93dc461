/* group/coordinator.c - opening and closing, the thread that fires deadlines, concluding events. */
#include "group/coordinator.h"

#include <stdlib.h>

void groups_options_default(struct groups_options *options)
{
	*options = (struct groups_options){
	    .topic_partitions = 1,
	    .topic_segment_bytes = 100 << 20,
	    .retention_ms = 7LL * 24 * 3600 * 1000,
	    .retention_check_ms = 600000,
	    .metadata_bytes_max = 4096,
	    .session_min_ms = 6000,
	    .session_max_ms = 1800000,
	    .initial_rebalance_delay_ms = 0,
	    .size_max = INT32_MAX,
	    .consumer_session_ms = 45000,
	    .consumer_heartbeat_ms = 5000,
	    .consumer_migration = MIGRATION_UPGRADE | MIGRATION_DOWNGRADE,
	};
}

const char *group_kind_name(enum group_kind kind)
{
	return kind == GROUP_CONSUMER ? "consumer" : "classic";
}

struct group_now groups_now(const struct groups *groups)
{
	return (struct group_now){clock_mono_ms(groups->env->clock), clock_wall_ms(groups->env->clock)};
}

void groups_enter(struct groups *groups)
{
	pthread_mutex_lock(&groups->lock);
	settle_all(groups);
}

void groups_leave_lock(struct groups *groups)
{
	if (deadlines_next(&groups->deadlines) < groups->sleeps_until_ms)
		pthread_cond_signal(&groups->wake);
	pthread_mutex_unlock(&groups->lock);
}

/* ---- the groups ---- */

struct group *group_find(struct groups *groups, mr_str name)
{
	return mr_map_get(&groups->by_name, name);
}

struct group *group_make(struct groups *groups, mr_str name)
{
	struct group *group = group_find(groups, name);
	if (group)
		return group;
	group = mr_calloc(1, sizeof *group);
	group->name = mr_strndup(name);
	classic_init(&group->classic, &groups->options, &groups->deadlines);
	consumer_init(&group->consumer, &groups->options, &groups->deadlines);
	mr_map_put(&groups->by_name, name, group);
	return group;
}

void group_free(struct groups *groups, struct group *group)
{
	mr_map_remove(&groups->by_name, mr_str_from(group->name));
	classic_release(&group->classic);
	consumer_release(&group->consumer);
	offsets_release(&group->offsets);
	free(group->name);
	free(group);
}

void group_drop_if_blank(struct groups *groups, struct group *group)
{
	const struct classic_group *c = &group->classic;
	bool said = c->generation > 0 || group->consumer.epoch > 0 || c->members.len || c->pending.len ||
		    group->offsets.count || group->offsets.pending.len || group->unsettled || group->deleting;
	if (!said)
		group_free(groups, group);
}

void hold_back(struct group_effects *fx, int rc, const struct group_write *write)
{
	for (size_t i = 0; i < fx->answered.len; i++) {
		struct group_ticket *ticket = fx->answered.items[i];
		if (ticket->code != GROUP_OK)
			continue;
		ticket->write = *write;
		if (rc < 0) /* the client asks again, and by then the disk may be well */
			ticket->code = GROUP_NOT_AVAILABLE;
	}
}

void groups_conclude(struct groups *groups, struct group *group, struct group_effects *fx)
{
	if (fx->persist) {
		struct group_write write = {0};
		struct record_key key = {.kind = RECORD_CLASSIC_GROUP, .group = mr_str_from(group->name)};
		write_start(groups);
		record_group_write(&group->classic, &groups->value);
		write_record(groups, &key, false);
		int rc = write_end(groups, key.group, -1, -1, &write, NULL);
		hold_back(fx, rc, &write);
	}
	for (size_t i = 0; i < fx->answered.len && groups->answered; i++)
		groups->answered(groups->answered_arg, fx->answered.items[i]);
	groups->rebalances += fx->rebalances;
	groups->expired_members += fx->expired;
	mr_vec_release(&fx->answered);
	*fx = (struct group_effects){0};
}

/* ---- time ---- */

static struct classic_group *classic_of(const struct deadline *deadline)
{
	if (deadline->kind == DEADLINE_SESSION)
		return ((struct classic_member *)deadline->owner)->group;
	if (deadline->kind == DEADLINE_PENDING)
		return ((struct pending_member *)deadline->owner)->group;
	return deadline->owner;
}

static void fire_consumer(struct groups *groups, struct deadline *deadline)
{
	struct group_effects fx = {0};
	struct group_write write;
	struct consumer_group *consumer = ((struct consumer_member *)deadline->owner)->group;
	struct group *group = MR_CONTAINER_OF(consumer, struct group, consumer);
	consumer_deadline(consumer, deadline, &fx);
	/* What the log does not take now goes with the next heartbeat. */
	(void)!groups_conclude_consumer(groups, group, false, &write, &fx);
}

static void fire(struct groups *groups, struct deadline *deadline)
{
	struct group_now now = groups_now(groups);
	if (deadline->kind == DEADLINE_CONSUMER_SESSION || deadline->kind == DEADLINE_CONSUMER_REBALANCE) {
		fire_consumer(groups, deadline);
		return;
	}
	if (deadline->kind == DEADLINE_RETENTION) {
		groups_expire_offsets(groups);
		deadline_set(&groups->deadlines, deadline, now.mono_ms + groups->options.retention_check_ms);
		return;
	}
	struct group_effects fx = {0};
	struct classic_group *classic = classic_of(deadline);
	struct group *group = MR_CONTAINER_OF(classic, struct group, classic);
	classic_deadline(classic, deadline, now, &fx);
	groups_conclude(groups, group, &fx);
	group_drop_if_blank(groups, group);
}

static void fire_due(struct groups *groups)
{
	struct deadline *due;
	settle_all(groups);
	while ((due = deadlines_take(&groups->deadlines, clock_mono_ms(groups->env->clock))))
		fire(groups, due);
}

void groups_tick(struct groups *groups)
{
	pthread_mutex_lock(&groups->lock);
	fire_due(groups);
	pthread_mutex_unlock(&groups->lock);
}

static void sleep_until(struct groups *groups, int64_t due_ms)
{
	int64_t delay_ms = mr_max_i64(due_ms - clock_mono_ms(groups->env->clock), 0) + 1;
	struct timespec until;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += delay_ms / 1000;
	until.tv_nsec += delay_ms % 1000 * 1000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	groups->sleeps_until_ms = due_ms;
	pthread_cond_timedwait(&groups->wake, &groups->lock, &until);
	groups->sleeps_until_ms = 0;
}

static void *run(void *arg)
{
	struct groups *groups = arg;
	pthread_mutex_lock(&groups->lock);
	while (!groups->stopping) {
		fire_due(groups);
		sleep_until(groups, deadlines_next(&groups->deadlines));
	}
	pthread_mutex_unlock(&groups->lock);
	return NULL;
}

/* ---- open, close ---- */

static void init_locks(struct groups *groups)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&groups->wake, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&groups->lock, NULL);
}

int groups_open(const struct groups_options *options, struct groups **out, struct mr_error *err)
{
	struct groups *groups = mr_calloc(1, sizeof *groups);
	groups->env = options->env;
	groups->broker = options->broker;
	groups->options = *options;
	groups->last = &groups->first;
	groups->retention = (struct deadline){.kind = DEADLINE_RETENTION, .owner = groups};
	batch_writer_init(&groups->batch, 0);
	init_locks(groups);
	int rc = groups_replay(groups, err);
	if (rc == 0)
		rc = groups_forget_lost_topics(groups, err);
	deadline_set(&groups->deadlines, &groups->retention,
		     clock_mono_ms(groups->env->clock) + options->retention_check_ms);
	if (rc == 0 && !options->manual) {
		int failed = pthread_create(&groups->thread, NULL, run, groups);
		groups->thread_runs = !failed;
		if (failed)
			rc = mr_fail(err, MR_ERR_IO, "cannot start the groups' thread: %s", strerror(failed));
	}
	if (rc < 0) {
		groups_close(groups);
		return rc;
	}
	*out = groups;
	return 0;
}

void groups_close(struct groups *groups)
{
	if (!groups)
		return;
	pthread_mutex_lock(&groups->lock);
	groups->stopping = true;
	pthread_cond_signal(&groups->wake);
	pthread_mutex_unlock(&groups->lock);
	if (groups->thread_runs)
		pthread_join(groups->thread, NULL);
	while (groups->first) {
		struct unsettled *u = groups->first;
		groups->first = u->next;
		unsettled_free(u);
	}
	mr_map_each (&groups->by_name, entry)
		group_free(groups, entry->value);
	mr_map_release(&groups->by_name);
	txn_groups_release(groups);
	deadlines_release(&groups->deadlines);
	batch_writer_release(&groups->batch);
	mr_buf_release(&groups->key);
	mr_buf_release(&groups->value);
	pthread_cond_destroy(&groups->wake);
	pthread_mutex_destroy(&groups->lock);
	free(groups);
}

void groups_listen(struct groups *groups, void (*answered)(void *arg, const void *ticket), void *arg)
{
	pthread_mutex_lock(&groups->lock);
	groups->answered = answered;
	groups->answered_arg = arg;
	pthread_mutex_unlock(&groups->lock);
}

int groups_prepare(struct groups *groups, struct mr_error *err)
{
	groups_enter(groups);
	int rc = groups_ensure_topic(groups, err);
	groups_leave_lock(groups);
	return rc;
}

void groups_stats(struct groups *groups, struct groups_stats *out)
{
	groups_enter(groups);
	*out = (struct groups_stats){
	    .groups = groups->by_name.len,
	    .transactions = groups->in_txn.len,
	    .rebalances = groups->rebalances,
	    .commits = groups->commits,
	    .expired_members = groups->expired_members,
	    .expired_offsets = groups->expired_offsets,
	};
	mr_map_each (&groups->by_name, entry) {
		const struct group *group = entry->value;
		out->members += group_member_count(group);
		out->offsets += group->offsets.count;
	}
	groups_leave_lock(groups);
}
