#include "dag/scheduler.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define RELOAD_MS 5000
#define PARALLELISM 32
#define WRITE_AGAIN_MS 100      /* and twice as long each time, */
#define WRITE_AGAIN_MAX_MS 5000 /* until */
#define LEASE_AGAIN_US 20000

enum letter_kind { LETTER_REPORT, LETTER_EVENT, LETTER_ASSET, LETTER_CALL, LETTER_SET };

/* One message to the deciding thread, with all that it points to. */
struct letter {
	enum letter_kind kind;
	struct letter *next;
	struct arena arena;
	struct dag_report report;
	mr_str text, json;
	int64_t version;
	struct dag_set *set;
	struct call *call;
};

/* A caller that waits; on its own stack. */
struct call {
	scheduler_fn *fn;
	void *arg;
	struct mr_error *err;
	int result;
	bool done;
	struct call *next; /* of the same batch */
};

struct scheduler {
	struct dag_sink sink;
	struct scheduler_options options;
	struct core *core;
	pthread_mutex_t lock;
	pthread_cond_t mail, work, done, look;
	pthread_t decide, write, watch;
	bool running;
	uint64_t
	    seen; /* the folder's mark when it was loaded last; taken before, so that no change is missed */
	/* Below: under the lock. */
	struct letter *first, **last;
	size_t mailbox;
	struct store_batch *batch; /* for the writer */
	struct call *batch_calls;
	bool writing, stopping, decided, reload;
	struct scheduler_stats stats;
};

static struct scheduler *scheduler_of(struct dag_sink *sink)
{
	return MR_CONTAINER_OF(sink, struct scheduler, sink);
}

static int64_t wall(const struct scheduler *s)
{
	return clock_wall_us(s->options.env->clock);
}

static int64_t mono(const struct scheduler *s)
{
	return clock_mono_us(s->options.env->clock);
}

/* Until woken or for so long; negative: until woken. */
static void wait_us(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t us)
{
	struct timespec until;
	if (us < 0) {
		pthread_cond_wait(cond, lock);
		return;
	}
	clock_gettime(CLOCK_MONOTONIC, &until);
	us = mr_min_i64(us, INT64_C(3600000000)) + until.tv_nsec / 1000;
	until.tv_sec += us / 1000000;
	until.tv_nsec = us % 1000000 * 1000;
	pthread_cond_timedwait(cond, lock, &until);
}

/* ---- letters ---- */

static struct letter *letter_new(enum letter_kind kind)
{
	struct letter *letter = mr_calloc(1, sizeof *letter);
	letter->kind = kind;
	return letter;
}

static void letter_free(struct letter *letter)
{
	if (letter->set)
		dag_set_release(letter->set);
	free(letter->set);
	arena_release(&letter->arena);
	free(letter);
}

/* False: nobody reads any more; the letter stays the sender's. */
static bool send(struct scheduler *s, struct letter *letter)
{
	pthread_mutex_lock(&s->lock);
	bool open = !s->decided;
	if (open) {
		*s->last = letter;
		s->last = &letter->next;
		s->stats.mailbox_max = mr_max_size(s->stats.mailbox_max, ++s->mailbox);
		pthread_cond_signal(&s->mail);
	}
	pthread_mutex_unlock(&s->lock);
	return open;
}

static void post(struct scheduler *s, struct letter *letter)
{
	if (!send(s, letter))
		letter_free(letter);
}

static void copy_lists(struct arena *arena, struct dag_report *to, const struct dag_report *from)
{
	mr_str *follow = arena_calloc(arena, from->follow_count + 1, sizeof *follow);
	struct dag_xcom *xcoms = arena_calloc(arena, from->xcom_count + 1, sizeof *xcoms);
	struct dag_asset_event *events = arena_calloc(arena, from->asset_event_count + 1, sizeof *events);
	for (size_t i = 0; i < from->follow_count; i++)
		follow[i] = arena_copy(arena, from->follow_ids[i]);
	for (size_t i = 0; i < from->xcom_count; i++)
		xcoms[i] = (struct dag_xcom){arena_copy(arena, from->xcoms[i].key),
					     arena_copy(arena, from->xcoms[i].json)};
	for (size_t i = 0; i < from->asset_event_count; i++)
		events[i] = (struct dag_asset_event){arena_copy(arena, from->asset_events[i].uri),
						     arena_copy(arena, from->asset_events[i].extra_json)};
	to->follow_ids = follow;
	to->xcoms = xcoms;
	to->asset_events = events;
}

static void sink_report(struct dag_sink *sink, const struct dag_report *report)
{
	struct scheduler *s = scheduler_of(sink);
	struct letter *letter = letter_new(LETTER_REPORT);
	struct dag_report *copy = &letter->report;
	*copy = *report;
	copy->id = arena_strdup(&letter->arena, report->id);
	copy->host = arena_copy(&letter->arena, report->host);
	copy->reason = arena_copy(&letter->arena, report->reason);
	copy->event = arena_copy(&letter->arena, report->event);
	copy->resume_json = arena_copy(&letter->arena, report->resume_json);
	if (copy->at_us == NO_TIME)
		copy->at_us = wall(s);
	copy_lists(&letter->arena, copy, report);
	post(s, letter);
}

static void sink_event(struct dag_sink *sink, mr_str event, mr_str payload_json)
{
	struct letter *letter = letter_new(LETTER_EVENT);
	letter->text = arena_copy(&letter->arena, event);
	letter->json = arena_copy(&letter->arena, payload_json);
	post(scheduler_of(sink), letter);
}

/* What a task reads was durable before it was started. */
static int sink_xcom(struct dag_sink *sink, const struct dag_try *try, mr_str task_id, int32_t map_index,
		     mr_str key, struct mr_buf *json_out, struct mr_error *err)
{
	struct dag_store *store = scheduler_of(sink)->options.store;
	return store->ops->xcom(store, try->run_no, task_id, map_index, key, json_out, err);
}

static const struct dag_sink_ops sink_ops = {sink_report, sink_event, sink_xcom};

void scheduler_asset_event(struct scheduler *s, mr_str uri, mr_str extra_json, int64_t version)
{
	struct letter *letter = letter_new(LETTER_ASSET);
	letter->text = arena_copy(&letter->arena, uri);
	letter->json = arena_copy(&letter->arena, extra_json);
	letter->version = version;
	post(s, letter);
}

int scheduler_call(struct scheduler *s, scheduler_fn *fn, void *arg, struct mr_error *err)
{
	struct call call = {.fn = fn, .arg = arg, .err = err, .result = MR_ERR_CLOSED};
	struct letter *letter = letter_new(LETTER_CALL);
	letter->call = &call;
	if (!send(s, letter)) {
		letter_free(letter);
		return mr_fail(err, MR_ERR_CLOSED, "the scheduler has stopped");
	}
	pthread_mutex_lock(&s->lock);
	while (!call.done)
		pthread_cond_wait(&s->done, &s->lock);
	pthread_mutex_unlock(&s->lock);
	if (call.result == MR_ERR_CLOSED)
		return mr_fail(err, MR_ERR_CLOSED, "the scheduler has stopped");
	return call.result;
}

/* ---- decide ---- */

static void read_letter(struct scheduler *s, struct letter *letter, struct call **calls)
{
	switch (letter->kind) {
	case LETTER_REPORT:
		core_report(s->core, &letter->report);
		break;
	case LETTER_EVENT:
		core_event(s->core, letter->text, letter->json);
		break;
	case LETTER_ASSET:
		core_asset_event(s->core, letter->text, letter->json, letter->version);
		break;
	case LETTER_SET:
		core_set_dags(s->core, letter->set);
		break;
	case LETTER_CALL:
		letter->call->result = letter->call->fn(s->core, letter->call->arg, letter->call->err);
		letter->call->next = *calls;
		*calls = letter->call;
		break;
	}
	letter_free(letter);
}

static struct letter *take_mail(struct scheduler *s)
{
	struct letter *mail = s->first;
	s->first = NULL;
	s->last = &s->first;
	s->mailbox = 0;
	return mail;
}

static void finish_calls(struct call *calls, bool closed)
{
	while (calls) {
		struct call *next = calls->next;
		if (closed)
			calls->result = MR_ERR_CLOSED;
		calls->done = true;
		calls = next;
	}
}

/* Under the lock: give the writer what there is, when it is free. */
static void hand_over(struct scheduler *s, struct call **calls)
{
	if (s->batch || s->writing)
		return;
	s->batch = core_take_batch(s->core);
	if (s->batch) {
		s->batch_calls = *calls;
		pthread_cond_signal(&s->work);
	} else {
		finish_calls(*calls, false);
		pthread_cond_broadcast(&s->done);
	}
	*calls = NULL;
}

static void *decide(void *arg)
{
	struct scheduler *s = arg;
	struct call *calls = NULL;
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		struct letter *mail = take_mail(s);
		pthread_mutex_unlock(&s->lock);
		core_turn(s->core, wall(s), mono(s)); /* reports are read with the time of now */
		for (struct letter *next; mail; mail = next) {
			next = mail->next;
			read_letter(s, mail, &calls);
		}
		core_turn(s->core, wall(s), mono(s));
		int64_t due_us = core_next_due_us(s->core);
		pthread_mutex_lock(&s->lock);
		hand_over(s, &calls);
		if (!s->first && !s->stopping)
			wait_us(&s->mail, &s->lock, due_us);
	}
	while (s->batch || s->writing)
		pthread_cond_wait(&s->mail, &s->lock);
	hand_over(s, &calls);
	s->decided = true;
	for (struct letter *mail = take_mail(s), *next; mail; mail = next) {
		next = mail->next;
		if (mail->call)
			finish_calls(mail->call, true);
		letter_free(mail);
	}
	pthread_cond_broadcast(&s->done);
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- write ---- */

static struct dag_executor *executor_of(struct scheduler *s, const struct dag_try *try)
{
	return s->options.executor_of(s->options.arg, try->executor, try->task->operator);
}

static int nobody_runs(const struct dag_try *try, struct mr_error *err)
{
	mr_str name = try->executor;
	if (!name.len)
		return mr_fail(err, MR_ERR_UNSUPPORTED, "no executor runs %s", try->task->operator->name);
	return mr_fail(err, MR_ERR_UNSUPPORTED, "this server has no executor '%.*s'", MR_FMT(name));
}

static void lose(struct scheduler *s, const struct dag_try *try, const char *reason)
{
	struct dag_report lost = {.kind = DAG_REPORT_LOST,
				  .id = try->id,
				  .at_us = NO_TIME,
				  .until_us = NO_TIME,
				  .reason = mr_str_from(reason)};
	dag_sink_report(&s->sink, &lost);
}

/* It was durable before we slept: is it ours still? A beat may come late and be answered all the same. False:
 * we are told to stop; another scheduler has it. */
static bool await_lease(struct scheduler *s)
{
	bool stopping = false;
	while (s->options.leads && !s->options.leads(s->options.arg) && !stopping) {
		pthread_mutex_lock(&s->lock);
		stopping = s->stopping;
		if (!stopping)
			wait_us(&s->work, &s->lock, LEASE_AGAIN_US);
		pthread_mutex_unlock(&s->lock);
	}
	return !stopping;
}

static void submit(struct scheduler *s, struct dag_try *try)
{
	struct mr_error err;
	if (!await_lease(s))
		return;
	struct dag_executor *executor = executor_of(s, try);
	if ((executor ? executor->ops->submit(executor, try, &err) : nobody_runs(try, &err)) < 0)
		lose(s, try, err.message);
}

static void act(struct scheduler *s, const struct store_batch *batch)
{
	for (size_t i = 0; i < batch->submits.len; i++)
		submit(s, batch->submits.items[i]);
	for (size_t i = 0; i < batch->cancels.len; i++) {
		const struct store_cancel *order = &batch->cancels.items[i];
		struct dag_executor *executor =
		    s->options.executor_of(s->options.arg, order->executor, order->operator);
		if (executor)
			executor->ops->cancel(executor, order->id, order->why);
	}
	for (size_t i = 0; s->options.tell && i < batch->callbacks.len; i++)
		s->options.tell(s->options.arg, &batch->callbacks.items[i]);
}

/* Until it is written. False: fenced, or told to stop while it cannot be. */
static bool apply(struct scheduler *s, const struct store_batch *batch)
{
	struct mr_error err;
	for (int64_t again_ms = WRITE_AGAIN_MS;; again_ms = mr_min_i64(again_ms * 2, WRITE_AGAIN_MAX_MS)) {
		int rc = s->options.store->ops->apply(s->options.store, batch, &err);
		if (rc == 0)
			return true;
		mr_log_error("scheduler", &err);
		pthread_mutex_lock(&s->lock);
		s->stats.write_errors++;
		s->stats.fenced |= rc == MR_ERR_CONFLICT;
		bool give_up = rc == MR_ERR_CONFLICT || s->stopping;
		if (give_up)
			s->stopping = true;
		else
			wait_us(&s->work, &s->lock, again_ms * 1000);
		pthread_mutex_unlock(&s->lock);
		if (give_up)
			return false;
	}
}

static void *writer(void *arg)
{
	struct scheduler *s = arg;
	pthread_mutex_lock(&s->lock);
	for (;;) {
		while (!s->batch && !s->decided)
			pthread_cond_wait(&s->work, &s->lock);
		struct store_batch *batch = s->batch;
		struct call *calls = s->batch_calls;
		if (!batch)
			break;
		s->batch = NULL;
		s->batch_calls = NULL;
		s->writing = true;
		pthread_mutex_unlock(&s->lock);
		bool written = apply(s, batch);
		if (written && s->options.written)
			s->options.written(s->options.arg, batch);
		if (written)
			act(s, batch);
		pthread_mutex_lock(&s->lock);
		s->stats.batches += written;
		s->stats.rows += batch->tasks.len + batch->runs.len;
		s->stats.submits += written ? batch->submits.len : 0;
		finish_calls(calls, !written);
		s->writing = false;
		pthread_cond_broadcast(&s->done);
		pthread_cond_signal(&s->mail);
		store_batch_free(batch);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

/* ---- watch ---- */

static struct dag_set *load(struct scheduler *s)
{
	struct dag_set *set = mr_calloc(1, sizeof *set);
	struct mr_error err;
	if (dag_load_folder(&s->options.load, s->options.folder, set, &err) < 0)
		mr_log_error("scheduler", &err);
	dag_set_finish(&s->options.load, set);
	for (size_t i = 0; i < set->faults.len; i++)
		mr_log_error("scheduler", &set->faults.items[i].error);
	if (s->options.loaded)
		s->options.loaded(s->options.arg, set);
	return set;
}

static void *watch(void *arg)
{
	struct scheduler *s = arg;
	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		if (!s->reload)
			wait_us(&s->look, &s->lock, s->options.reload_ms * 1000);
		s->reload = false;
		pthread_mutex_unlock(&s->lock);
		uint64_t mark = dag_folder_mark(s->options.load.disk, s->options.folder);
		if (mark != s->seen) {
			struct letter *letter = letter_new(LETTER_SET);
			letter->set = load(s);
			s->seen = mark;
			post(s, letter);
		}
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

void scheduler_reload(struct scheduler *s)
{
	pthread_mutex_lock(&s->lock);
	s->reload = true;
	pthread_cond_signal(&s->look);
	pthread_mutex_unlock(&s->lock);
}

/* ---- life ---- */

int scheduler_new(const struct scheduler_options *options, struct scheduler **out, struct mr_error *err)
{
	struct scheduler *s = mr_calloc(1, sizeof *s);
	pthread_condattr_t attr;
	s->options = *options;
	s->options.reload_ms = options->reload_ms ? options->reload_ms : RELOAD_MS;
	s->options.parallelism = options->parallelism ? options->parallelism : PARALLELISM;
	s->sink.ops = &sink_ops;
	s->last = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_t *const conds[] = {&s->mail, &s->work, &s->done, &s->look};
	for (size_t i = 0; i < MR_COUNT(conds); i++)
		pthread_cond_init(conds[i], &attr);
	pthread_condattr_destroy(&attr);
	struct core_options core = {.store = options->store,
				    .rng = options->env->rng,
				    .load = options->load,
				    .parallelism = s->options.parallelism,
				    .hostname = mr_str_from(options->hostname),
				    .executor = options->executor,
				    .seen = options->seen};
	int rc = core_new(&core, wall(s), mono(s), &s->core, err);
	if (rc != 0) {
		scheduler_free(s);
		return rc;
	}
	*out = s;
	return 0;
}

uint64_t scheduler_epoch(const struct scheduler *s)
{
	return core_epoch(s->core);
}

struct dag_sink *scheduler_sink(struct scheduler *s)
{
	return &s->sink;
}

/* Each executor is asked after its own tries, and takes them out; those that none runs any more are lost. */
static int ask_executor(struct scheduler *s, struct dag_executor *executor, struct dag_try **tries, size_t n,
			struct mr_error *err)
{
	struct dag_try **mine = mr_calloc(n + 1, sizeof(struct dag_try *));
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		if (tries[i] && executor_of(s, tries[i]) == executor) {
			mine[count++] = tries[i];
			tries[i] = NULL;
		}
	}
	int rc = executor->ops->reattach(executor, mine, count, err);
	free(mine);
	return rc;
}

static int reattach(struct scheduler *s, struct mr_error *err)
{
	struct dag_try **tries;
	struct dag_executor *executor;
	struct mr_error why;
	size_t n = core_reattach(s->core, &tries);
	int rc = 0;
	for (size_t i = 0; rc >= 0 && (executor = s->options.executor_at(s->options.arg, i)); i++)
		rc = ask_executor(s, executor, tries, n, err);
	for (size_t i = 0; rc >= 0 && i < n; i++) {
		if (!tries[i])
			continue;
		nobody_runs(tries[i], &why);
		lose(s, tries[i], why.message);
	}
	free(tries);
	return rc < 0 ? rc : 0;
}

int scheduler_start(struct scheduler *s, struct mr_error *err)
{
	s->seen = dag_folder_mark(s->options.load.disk, s->options.folder);
	struct dag_set *set = load(s);
	core_set_dags(s->core, set);
	dag_set_release(set);
	free(set);
	int rc = reattach(s, err);
	if (rc < 0)
		return rc;
	pthread_create(&s->decide, NULL, decide, s);
	pthread_create(&s->write, NULL, writer, s);
	pthread_create(&s->watch, NULL, watch, s);
	s->running = true;
	return 0;
}

void scheduler_stop(struct scheduler *s)
{
	if (!s->running)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_signal(&s->mail);
	pthread_cond_signal(&s->look);
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->decide, NULL);
	pthread_join(s->write, NULL);
	pthread_join(s->watch, NULL);
	s->running = false;
}

void scheduler_free(struct scheduler *s)
{
	if (!s)
		return;
	scheduler_stop(s);
	for (struct letter *mail = take_mail(s), *next; mail; mail = next) {
		next = mail->next;
		letter_free(mail);
	}
	core_free(s->core);
	pthread_cond_t *const conds[] = {&s->mail, &s->work, &s->done, &s->look};
	for (size_t i = 0; i < MR_COUNT(conds); i++)
		pthread_cond_destroy(conds[i]);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

struct scheduler_stats scheduler_stats(struct scheduler *s)
{
	pthread_mutex_lock(&s->lock);
	struct scheduler_stats stats = s->stats;
	pthread_mutex_unlock(&s->lock);
	return stats;
}
