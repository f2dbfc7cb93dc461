#include "api/lead.h"

#include "base/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct lead {
	struct lead_options options;
	char *who;
	uint64_t epoch; /* while leading */
	bool leading, failing;
	struct lease_watch watch;
	struct lease_hold hold;
	_Atomic int64_t until_us; /* monotonic: we may act before it */
	pthread_t thread;
	bool running;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	/* Below: under the lock. */
	bool stopping;
	struct lead_state state;
};

static int64_t mono(const struct lead *lead)
{
	return clock_mono_us(lead->options.env->clock);
}

static void publish(struct lead *lead, const struct store_leader *leader)
{
	pthread_mutex_lock(&lead->lock);
	lead->state.leads = lead->leading;
	bool beaten = lead->state.leader.epoch != leader->epoch || lead->state.leader.beat != leader->beat;
	lead->state.leader = *leader;
	lead->state.seen_us = clock_wall_us(lead->options.env->clock);
	if (beaten || lead->leading)
		lead->state.beat_us = lead->state.seen_us;
	pthread_mutex_unlock(&lead->lock);
}

/* Each trouble once, not at every beat. */
static void note_failure(struct lead *lead, const struct mr_error *err)
{
	if (!lead->failing)
		mr_log_error("scheduler", err);
	lead->failing = true;
}

static void renew(struct lead *lead)
{
	atomic_store(&lead->until_us, lead->hold.until_us);
	lead->options.renewed(lead->options.arg, lead->hold.until_us);
}

static void take_over(struct lead *lead, const struct store_leader *seen)
{
	struct mr_error err;
	lead->hold = lease_held(mono(lead), &lead->options.terms);
	/* Tries may be started as soon as the claim is in the store. */
	atomic_store(&lead->until_us, lead->hold.until_us);
	int rc = lead->options.start(lead->options.arg, seen, &lead->epoch, &err);
	if (rc != 0) {
		atomic_store(&lead->until_us, 0);
		if (rc < 0)
			note_failure(lead, &err);
		return;
	}
	lead->leading = true;
	lead->failing = false;
	renew(lead);
	struct store_leader us = {.epoch = lead->epoch};
	snprintf(us.who, sizeof us.who, "%s", lead->who);
	publish(lead, &us);
	mr_info("scheduler", "%s leads, epoch %llu", lead->who, (unsigned long long)lead->epoch);
}

static void step_down(struct lead *lead, const struct mr_error *why)
{
	mr_log_error("scheduler", why);
	atomic_store(&lead->until_us, 0);
	lead->options.renewed(lead->options.arg, 0);
	lead->options.stop(lead->options.arg);
	lead->leading = false;
	lead->watch.any = false;
	pthread_mutex_lock(&lead->lock);
	lead->state.leads = false;
	pthread_mutex_unlock(&lead->lock);
}

static void beat(struct lead *lead)
{
	struct dag_store *store = lead->options.store;
	struct mr_error err;
	int64_t from = mono(lead), attended;
	int rc = store->ops->beat(store, lead->epoch, lease_tells(&lead->hold), &attended, &err);
	if (rc == 0) {
		lead->failing = false;
		lease_beaten(&lead->hold, from, attended, &lead->options.terms);
		renew(lead);
		pthread_mutex_lock(&lead->lock);
		lead->state.seen_us = lead->state.beat_us = clock_wall_us(lead->options.env->clock);
		pthread_mutex_unlock(&lead->lock);
		return;
	}
	note_failure(lead, &err);
	if (rc == MR_ERR_CONFLICT || !lead_holds(lead))
		step_down(lead, &err);
}

static void stand_by(struct lead *lead)
{
	struct dag_store *store = lead->options.store;
	struct store_leader now;
	struct mr_error err;
	if (store->ops->look(store, &now, &err) < 0 || (now.epoch && store->ops->attend(store, &err) < 0)) {
		lead->watch.any = false; /* what was not looked at was not seen to stand still */
		note_failure(lead, &err);
		return;
	}
	lead->failing = false;
	bool was_other = !lead->watch.any || lead->watch.seen.epoch != now.epoch;
	bool was_watched = lead->watch.any && lead->watch.seen.watched;
	int64_t left = lease_left_us(&lead->watch, &now, lead->who, mono(lead), &lead->options.terms);
	publish(lead, &now);
	if (left == 0)
		take_over(lead, &now);
	else if (was_other || (!was_watched && now.watched))
		mr_info("scheduler",
			"%s stands by: %s leads, epoch %llu, and is replaced when it is not heard of for "
			"%lld s",
			lead->who, now.who, (unsigned long long)now.epoch,
			(long long)((now.watched ? lead->options.terms.watched_us
						 : lead->options.terms.alone_us) /
				    1000000));
	if (!lead->leading)
		lead->options.standing_by(lead->options.arg);
}

static void *run(void *arg)
{
	struct lead *lead = arg;
	pthread_mutex_lock(&lead->lock);
	while (!lead->stopping) {
		struct timespec until;
		int64_t us = lease_beat_us(&lead->options.terms);
		clock_gettime(CLOCK_MONOTONIC, &until);
		us += until.tv_nsec / 1000;
		until.tv_sec += us / 1000000;
		until.tv_nsec = us % 1000000 * 1000;
		pthread_cond_timedwait(&lead->wake, &lead->lock, &until);
		if (lead->stopping)
			break;
		pthread_mutex_unlock(&lead->lock);
		if (lead->leading)
			beat(lead);
		else
			stand_by(lead);
		pthread_mutex_lock(&lead->lock);
	}
	pthread_mutex_unlock(&lead->lock);
	return NULL;
}

int lead_new(const struct lead_options *options, struct lead **out, struct mr_error *err)
{
	struct lead *lead = mr_calloc(1, sizeof *lead);
	pthread_condattr_t attr;
	lead->options = *options;
	lead->state.silent_us = options->terms.watched_us;
	lead->who = mr_strdup(options->who);
	pthread_mutex_init(&lead->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&lead->wake, &attr);
	pthread_condattr_destroy(&attr);
	*out = lead; /* start may ask lead_holds */
	stand_by(lead);
	if (pthread_create(&lead->thread, NULL, run, lead) != 0) {
		*out = NULL;
		lead_free(lead);
		return mr_fail(err, MR_ERR_LIMIT, "no thread for the scheduler's lease");
	}
	lead->running = true;
	return 0;
}

/* Tasks that run on are taken over by the next life of this server, if it comes within the lease. */
static void resign(struct lead *lead)
{
	struct dag_store *store = lead->options.store;
	struct mr_error err;
	bool busy = lead->options.busy(lead->options.arg);
	if (!busy) { /* and it stays so */
		atomic_store(&lead->until_us, 0);
		lead->options.renewed(lead->options.arg, 0);
	}
	lead->options.stop(lead->options.arg);
	if (!busy && store->ops->resign(store, lead->epoch, &err) < 0)
		mr_log_error("scheduler", &err);
}

void lead_free(struct lead *lead)
{
	if (!lead)
		return;
	pthread_mutex_lock(&lead->lock);
	lead->stopping = true;
	pthread_cond_signal(&lead->wake);
	pthread_mutex_unlock(&lead->lock);
	if (lead->running)
		pthread_join(lead->thread, NULL);
	if (lead->leading)
		resign(lead);
	pthread_mutex_destroy(&lead->lock);
	pthread_cond_destroy(&lead->wake);
	free(lead->who);
	free(lead);
}

struct lead_state lead_state(struct lead *lead)
{
	pthread_mutex_lock(&lead->lock);
	struct lead_state state = lead->state;
	pthread_mutex_unlock(&lead->lock);
	return state;
}

bool lead_holds(struct lead *lead)
{
	return mono(lead) < atomic_load(&lead->until_us);
}
