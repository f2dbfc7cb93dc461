#include "api/dags.h"

#include "api/json.h"
#include "api/lead.h"
#include "api/task_channel.h"
#include "api/watch.h"
#include "base/log.h"
#include "task/airflow.h"
#include "task/context.h"
#include "task/notify.h"
#include "task/task.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ENGINE_THREADS 8

enum { EXECUTOR_PROCESS, EXECUTOR_ENGINE, EXECUTORS };
#define ALONE_LEASES 120 /* how long a server that nobody stands by for leads unheard: 20 min */

struct dags {
	struct dags_options options;
	char *data, *folder, *store_path, *task_folder, *vault_folder, *logs, *tables;
	char hostname[256];
	char *who; /* HOST:FOLDER: us among the servers that share a store */
	struct dag_store *store;
	struct vault *vault;
	struct hub *hub;
	struct dag_load_options load;
	struct airflow_cache airflow;
	struct task_services services;
	pthread_rwlock_t leading;
	struct scheduler *scheduler; /* NULL: not started, or standing by; changes under `leading` */
	struct lead *lead;           /* NULL: the store is ours alone */
	_Atomic bool stopping;
	uint64_t files_mark; /* of the DAG folder, while standing by */
	struct dag_executor *executors[EXECUTORS];
	struct notifier *notifier;
	struct watch *watch;
	struct task_channel *channel;
	pthread_mutex_t calling; /* not started: one core at a time */
	pthread_mutex_t lock;
	/* Below: under the lock. */
	MR_VEC(struct dag *) dags; /* sorted by id; a reference each */
	MR_VEC(struct dag_fault) faults;
	int64_t loaded_us;
	double load_seconds;
};

static bool is_shared(const struct dags *dags)
{
	return dags->options.metadata && !dags->options.scratch;
}

/* ---- what the files say ---- */

static bool pool_exists(void *arg, mr_str name)
{
	struct dags *dags = arg;
	struct mr_buf row = {0};
	bool exists = dags->store->ops->query(dags->store, "SELECT 1 FROM slot_pool WHERE pool = ?1", &name,
					      1, &row, NULL) == 0 &&
		      row.len > 0;
	mr_buf_release(&row);
	return exists;
}

static void free_faults(struct dags *dags)
{
	for (size_t i = 0; i < dags->faults.len; i++) {
		free(dags->faults.items[i].file);
		free(dags->faults.items[i].dag_id);
	}
	dags->faults.len = 0;
}

/* A DAG whose file has a mistake stays what it was. */
static bool keeps(const struct dag_set *set, const struct dag *dag)
{
	for (size_t i = 0; i < set->faults.len; i++) {
		const struct dag_fault *fault = &set->faults.items[i];
		if (mr_str_is(dag->id, fault->dag_id) ||
		    (!fault->dag_id[0] && mr_str_is(dag->file, fault->file)))
			return true;
	}
	return false;
}

static int by_id(const void *a, const void *b)
{
	const struct dag *const *x = a, *const *y = b;
	mr_str p = (*x)->id, q = (*y)->id;
	int rc = memcmp(p.ptr, q.ptr, mr_min_size(p.len, q.len));
	return rc ? rc : (p.len > q.len) - (p.len < q.len);
}

static void take_set(void *arg, const struct dag_set *set)
{
	struct dags *dags = arg;
	pthread_mutex_lock(&dags->lock);
	size_t kept = 0;
	for (size_t i = 0; i < dags->dags.len; i++) {
		struct dag *dag = dags->dags.items[i];
		if (!dag_set_find(set, dag->id) && keeps(set, dag))
			dags->dags.items[kept++] = dag;
		else
			dag_unref(dag);
	}
	dags->dags.len = kept;
	for (size_t i = 0; i < set->dags.len; i++)
		mr_vec_push(&dags->dags, dag_ref(set->dags.items[i]));
	if (dags->dags.len)
		qsort(dags->dags.items, dags->dags.len, sizeof *dags->dags.items, by_id);
	free_faults(dags);
	for (size_t i = 0; i < set->faults.len; i++) {
		const struct dag_fault *fault = &set->faults.items[i];
		mr_vec_push(&dags->faults, (struct dag_fault){mr_strdup(fault->file),
							      mr_strdup(fault->dag_id), fault->error});
	}
	int64_t now = clock_wall_us(dags->options.env->clock);
	dags->loaded_us = now;
	pthread_mutex_unlock(&dags->lock);
}

static int load_files(struct dags *dags, struct dag_set *set, struct mr_error *err)
{
	memset(set, 0, sizeof *set);
	int64_t began = clock_mono_us(dags->options.env->clock);
	int rc = dag_load_folder(&dags->load, dags->folder, set, err);
	if (rc == 0)
		dag_set_finish(&dags->load, set);
	dags->load_seconds = (double)(clock_mono_us(dags->options.env->clock) - began) / 1e6;
	return rc;
}

struct dag *dags_find(struct dags *dags, mr_str dag_id)
{
	struct dag *found = NULL;
	pthread_mutex_lock(&dags->lock);
	for (size_t i = 0; i < dags->dags.len && !found; i++) {
		if (mr_str_eq(dags->dags.items[i]->id, dag_id))
			found = dag_ref(dags->dags.items[i]);
	}
	pthread_mutex_unlock(&dags->lock);
	return found;
}

size_t dags_all(struct dags *dags, struct dag ***out)
{
	pthread_mutex_lock(&dags->lock);
	size_t count = dags->dags.len;
	*out = mr_calloc(count + 1, sizeof(struct dag *));
	for (size_t i = 0; i < count; i++)
		(*out)[i] = dag_ref(dags->dags.items[i]);
	pthread_mutex_unlock(&dags->lock);
	return count;
}

int dags_version(struct dags *dags, mr_str dag_id, mr_str version, struct dag **out, struct mr_error *err)
{
	struct dag *now = dags_find(dags, dag_id);
	if (now && mr_str_is(version, now->version)) {
		*out = now;
		return 0;
	}
	dag_unref(now);
	struct mr_buf source = {0};
	struct dag_set set = {0};
	int rc = dags->store->ops->source(dags->store, dag_id, version, &source, err);
	if (rc == 0) {
		dag_load_text(&dags->load, "(stored)", mr_buf_view(&source), &set);
		struct dag *dag = dag_set_find(&set, dag_id);
		if (dag)
			*out = dag_ref(dag);
		else
			rc = mr_fail(err, MR_ERR_CORRUPT, "version %.*s of DAG '%.*s' does not load",
				     MR_FMT(version), MR_FMT(dag_id));
	}
	dag_set_release(&set);
	mr_buf_release(&source);
	return rc;
}

void dags_faults(struct dags *dags, void (*fn)(void *arg, const struct dag_fault *fault, int64_t loaded_us),
		 void *arg)
{
	pthread_mutex_lock(&dags->lock);
	for (size_t i = 0; i < dags->faults.len; i++)
		fn(arg, &dags->faults.items[i], dags->loaded_us);
	pthread_mutex_unlock(&dags->lock);
}

int64_t dags_loaded_us(struct dags *dags)
{
	pthread_mutex_lock(&dags->lock);
	int64_t us = dags->loaded_us;
	pthread_mutex_unlock(&dags->lock);
	return us;
}

/* ---- what tasks ask about other DAGs ---- */

struct trigger_call {
	struct core_trigger what;
	struct mr_buf *run_id_out;
};

static int trigger_in_core(struct core *core, void *arg, struct mr_error *err)
{
	struct trigger_call *call = arg;
	return core_trigger(core, &call->what, call->run_id_out, err);
}

static int trigger(void *arg, const struct task_trigger *what, struct mr_buf *run_id_out,
		   struct mr_error *err)
{
	struct trigger_call call = {{what->dag_id, what->run_id, what->conf_json, what->logical_date_us,
				     MR_STR("TriggerDagRunOperator")},
				    run_id_out};
	return dags_call(arg, trigger_in_core, &call, err);
}

static enum task_found found_from(mr_str state)
{
	return mr_str_is(state, "success")                                         ? TASK_FOUND_SUCCESS
	       : mr_str_is(state, "failed") || mr_str_is(state, "upstream_failed") ? TASK_FOUND_FAILED
	       : mr_str_is(state, "skipped") || mr_str_is(state, "removed")        ? TASK_FOUND_SKIPPED
										   : TASK_FOUND_RUNNING;
}

/* A mapped task is as its worst instance: failed before running before skipped before success. */
#define WORST \
	"SELECT t.state AS state FROM dag_run r JOIN task_instance t ON t.run_no = r.run_no " \
	"WHERE r.dag_id = ?1 AND (r.run_id = ?2 OR (?2 = '' AND r.logical_date = CAST(?3 AS BIGINT))) " \
	"AND t.task_id = ?4 ORDER BY CASE WHEN t.state IN ('failed', 'upstream_failed') THEN 0 " \
	"WHEN t.state = 'success' THEN 3 WHEN t.state IN ('skipped', 'removed') THEN 2 ELSE 1 END LIMIT 1"
#define RUN_STATE \
	"SELECT state FROM dag_run r WHERE r.dag_id = ?1 AND (r.run_id = ?2 OR " \
	"(?2 = '' AND r.logical_date = CAST(?3 AS BIGINT))) ORDER BY run_no DESC LIMIT 1"

static int find(void *arg, mr_str dag_id, mr_str run_id, int64_t logical_date_us, mr_str task_id,
		enum task_found *out, struct mr_error *err)
{
	struct dags *dags = arg;
	char date[24];
	int n = snprintf(date, sizeof date, "%lld", (long long)logical_date_us);
	mr_str params[] = {dag_id, run_id, mr_str_n(date, (size_t)n), task_id};
	struct mr_buf row = {0};
	struct json_parser *parser = json_parser_new();
	struct json_value v;
	int rc = dags->store->ops->query(dags->store, task_id.len ? WORST : RUN_STATE, params,
					 task_id.len ? 4 : 3, &row, err);
	if (rc == 0 && row.len)
		rc = json_parse(parser, mr_buf_view(&row), &v, err);
	if (rc == 0)
		*out = row.len ? found_from(json_str(json_get(v, "state"))) : TASK_FOUND_NOT;
	json_parser_free(parser);
	mr_buf_release(&row);
	return rc;
}

static int refresh(void *arg, struct mr_error *err)
{
	struct dags *dags = arg;
	return dags->options.refresh ? dags->options.refresh(dags->options.refresh_arg, err) : 0;
}

/* ---- Delta commits ---- */

void dags_asset_event(struct dags *dags, mr_str uri, mr_str extra_json)
{
	pthread_rwlock_rdlock(&dags->leading);
	if (dags->scheduler)
		scheduler_asset_event(dags->scheduler, uri, extra_json, -1);
	pthread_rwlock_unlock(&dags->leading);
}

/* Has the store an event of this table with a version? A table that was there before its first watcher
 * has no news for anybody. */
static bool is_known(struct dags *dags, mr_str uri)
{
	struct mr_buf row = {0};
	bool known = dags->store->ops->query(
			 dags->store, "SELECT 1 FROM asset_event WHERE uri = ?1 AND version >= 0 LIMIT 1",
			 &uri, 1, &row, NULL) == 0 &&
		     row.len > 0;
	mr_buf_release(&row);
	return known;
}

/* Sensors wait for "delta:lake.reads", DAGs for delta://lake/reads. */
static void committed(void *arg, mr_str uri, int64_t version, bool first)
{
	struct dags *dags = arg;
	char extra[48];
	if (first && !is_known(dags, uri))
		return;
	int n = snprintf(extra, sizeof extra, "{\"version\":%lld}", (long long)version);
	scheduler_asset_event(dags->scheduler, uri, mr_str_n(extra, (size_t)n), version);
	struct mr_buf event = {0};
	mr_buf_printf(&event, "delta:%.*s", MR_FMT(mr_str_tail(uri, strlen("delta://"))));
	for (size_t i = 0; i < event.len; i++) {
		if (event.ptr[i] == '/')
			event.ptr[i] = '.';
	}
	dag_sink_event(scheduler_sink(dags->scheduler), mr_buf_view(&event), mr_str_n(extra, (size_t)n));
	mr_buf_release(&event);
}

static void files_changed(void *arg)
{
	struct dags *dags = arg;
	scheduler_reload(dags->scheduler);
}

void dags_reload(struct dags *dags)
{
	pthread_rwlock_rdlock(&dags->leading);
	if (dags->scheduler)
		scheduler_reload(dags->scheduler);
	pthread_rwlock_unlock(&dags->leading);
}

/* ---- open ---- */

/* The same whichever way the folder was given. */
static char *name_of(const struct dags *dags)
{
	char *real = realpath(dags->task_folder, NULL);
	char *name = mr_asprintf("%s:%s", dags->hostname, real ? real : dags->task_folder);
	free(real);
	return name;
}

static int open_parts(struct dags *dags, struct mr_error *err)
{
	struct mr_disk *disk = dags->options.env->disk;
	struct dag_set set;
	int rc = disk_mkdir_all(disk, dags->task_folder, err);
	dags->who = name_of(dags);
	if (rc == 0)
		rc = disk_mkdir_all(disk, dags->tables, err); /* to be watched, it has to be there */
	if (rc == 0)
		rc = store_open(dags->store_path, &dags->store, err);
	if (rc == 0)
		rc = disk_mkdir_all(disk, dags->vault_folder, err);
	if (rc == 0)
		rc = vault_open(dags->options.env, dags->vault_folder, &dags->vault, err);
	if (rc < 0)
		return rc;
	dags->hub = hub_new(dags->store);
	rc = load_files(dags, &set, err);
	if (rc == 0)
		take_set(dags, &set);
	dag_set_release(&set);
	return rc;
}

int dags_open(const struct dags_options *options, struct dags **out, struct mr_error *err)
{
	struct dags *dags = mr_calloc(1, sizeof *dags);
	dags->options = *options;
	dags->data = mr_strdup(options->data);
	dags->folder = mr_strdup(options->folder);
	const char *own = options->scratch ? options->scratch : options->data;
	if (gethostname(dags->hostname, sizeof dags->hostname - 1) != 0)
		snprintf(dags->hostname, sizeof dags->hostname, "localhost");
	dags->store_path = is_shared(dags) ? mr_strdup(options->metadata) : mr_asprintf("%s/dags.db", own);
	char *here = own[0] == '/' ? NULL : getcwd(NULL, 0); /* tasks run in folders of their own */
	dags->task_folder = mr_asprintf("%s%s%s/dag", here ? here : "", here ? "/" : "", own);
	free(here);
	dags->vault_folder = mr_asprintf("%s/dag", options->data);
	dags->logs = mr_asprintf("%s/dag/logs", own);
	dags->tables = mr_asprintf("%s/tables", options->data);
	pthread_mutex_init(&dags->lock, NULL);
	pthread_rwlock_init(&dags->leading, NULL);
	pthread_mutex_init(&dags->calling, NULL);
	dags->load = (struct dag_load_options){.disk = options->env->disk,
					       .check_template = task_check_template,
					       .pool_exists = pool_exists,
					       .arg = dags,
					       .read_scripts = airflow_read,
					       .scripts_arg = &dags->airflow,
					       .only = dags->options.only};
	int rc = dag_executor_check(options->executor, NULL, err);
	if (rc < 0)
		mr_error_wrap(err, rc, "dags.executor");
	else
		rc = open_parts(dags, err);
	if (rc < 0) {
		dags_free(dags);
		return rc;
	}
	*out = dags;
	return 0;
}

/* ---- start ---- */

static struct dag_executor *executor_of(void *arg, mr_str name, const struct operator* op)
{
	struct dags *dags = arg;
	const char *canonical = dag_executor_canonical(name);
	if (!canonical)
		return NULL;
	if (!canonical[0] || strcmp(canonical, "local") == 0)
		return dags->executors[op->place == OPERATOR_PROCESS ? EXECUTOR_PROCESS : EXECUTOR_ENGINE];
	for (size_t i = 0; i < EXECUTORS; i++)
		if (strcmp(dags->executors[i]->name, canonical) == 0)
			return dags->executors[i];
	return NULL;
}

static struct dag_executor *executor_at(void *arg, size_t i)
{
	struct dags *dags = arg;
	return i < EXECUTORS ? dags->executors[i] : NULL;
}

static void tell(void *arg, const struct store_callback *callback)
{
	struct dags *dags = arg;
	struct task_notice notice = {callback->kind,   callback->json,     callback->what,
				     callback->dag_id, callback->run_id,   callback->task_id,
				     callback->detail, callback->map_index};
	notifier_tell(dags->notifier, &notice);
}

static void written(void *arg, const struct store_batch *batch)
{
	struct dags *dags = arg;
	hub_publish(dags->hub, batch);
}

static int start_executors(struct dags *dags, struct scheduler *scheduler, struct mr_error *err)
{
	dags->services = (struct task_services){
	    .env = dags->options.env,
	    .folder = dags->task_folder,
	    .logs = dags->logs,
	    .dags_folder = dags->folder,
	    .hostname = dags->hostname,
	    .sink = scheduler_sink(scheduler),
	    .vault = dags->vault,
	    .catalog = dags->options.catalog,
	    .sessions = dags->options.sessions,
	    .groups = dags->options.groups,
	    .trigger = trigger,
	    .find = find,
	    .refresh = refresh,
	    .arg = dags,
	};
	struct dag_executor **all = dags->executors;
	int32_t slots = dags->options.parallelism;
	int rc = process_executor_new(&dags->services, slots, &all[EXECUTOR_PROCESS], err);
	if (rc == 0)
		rc = engine_executor_new(&dags->services, slots, ENGINE_THREADS, &all[EXECUTOR_ENGINE], err);
	return rc;
}

/* The executors' last questions find no scheduler; what they report is dropped with it. */
static void free_parts(struct dags *dags, struct scheduler *scheduler)
{
	task_channel_free(dags->channel);
	dags->channel = NULL;
	for (size_t i = 0; i < EXECUTORS; i++) {
		if (dags->executors[i])
			dags->executors[i]->ops->free(dags->executors[i]);
		dags->executors[i] = NULL;
	}
	scheduler_free(scheduler);
}

static void end(struct dags *dags)
{
	watch_free(dags->watch);
	dags->watch = NULL;
	task_channel_free(dags->channel);
	dags->channel = NULL;
	if (dags->scheduler)
		scheduler_stop(dags->scheduler); /* whoever waits for it is answered */
	pthread_rwlock_wrlock(&dags->leading);
	struct scheduler *scheduler = dags->scheduler;
	dags->scheduler = NULL;
	pthread_rwlock_unlock(&dags->leading);
	free_parts(dags, scheduler);
}

static bool may_start(void *arg)
{
	struct dags *dags = arg;
	return !dags->lead || lead_holds(dags->lead);
}

static int new_scheduler(struct dags *dags, const struct store_leader *seen, struct scheduler **out,
			 struct mr_error *err)
{
	struct scheduler_options options = {
	    .env = dags->options.env,
	    .store = dags->store,
	    .folder = dags->folder,
	    .load = dags->load,
	    .parallelism = dags->options.parallelism,
	    .hostname = dags->who,
	    .executor = dags->options.executor,
	    .seen = seen,
	    .leads = may_start,
	    .executor_of = executor_of,
	    .executor_at = executor_at,
	    .tell = tell,
	    .written = written,
	    .loaded = take_set,
	    .arg = dags,
	};
	return scheduler_new(&options, out, err);
}

/* Schedule from now on; 1: another server was faster than we who saw `seen`. */
static int begin(struct dags *dags, const struct store_leader *seen, struct mr_error *err)
{
	struct watch_options watch = {dags->folder, dags->tables, files_changed, committed, dags};
	struct scheduler *scheduler = NULL;
	int rc = new_scheduler(dags, seen, &scheduler, err);
	if (rc == 0)
		rc = start_executors(dags, scheduler, err);
	if (rc == 0)
		rc =
		    task_channel_new(dags, scheduler_sink(scheduler), dags->task_folder, &dags->channel, err);
	if (rc != 0) {
		free_parts(dags, scheduler);
		return rc;
	}
	/* Tasks that it starts may ask for it at once: they wait here. */
	pthread_rwlock_wrlock(&dags->leading);
	rc = scheduler_start(scheduler, err);
	dags->scheduler = rc == 0 ? scheduler : NULL;
	pthread_rwlock_unlock(&dags->leading);
	if (rc < 0) {
		free_parts(dags, scheduler);
		return rc;
	}
	rc = watch_new(&watch, &dags->watch, err);
	if (rc < 0)
		end(dags);
	else
		airflow_triggers_start(dags->task_folder, dags->folder);
	return rc;
}

/* ---- among servers that share a store ---- */

static int lead_start(void *arg, const struct store_leader *seen, uint64_t *epoch, struct mr_error *err)
{
	struct dags *dags = arg;
	int rc = begin(dags, seen, err);
	if (rc == 0)
		*epoch = scheduler_epoch(dags->scheduler);
	return rc;
}

static int count_active(struct core *core, void *arg, struct mr_error *err)
{
	(void)err;
	*(bool *)arg = core_counts(core).active > 0;
	return 0;
}

static bool lead_busy(void *arg)
{
	struct dags *dags = arg;
	bool busy = true;
	return scheduler_call(dags->scheduler, count_active, &busy, NULL) < 0 || busy;
}

static void lead_stop(void *arg)
{
	end(arg);
}

static void lead_renewed(void *arg, int64_t until_us)
{
	struct dags *dags = arg;
	struct mr_error err;
	if (process_executor_lease(dags->executors[EXECUTOR_PROCESS], until_us, &err) < 0)
		mr_log_error("scheduler", &err); /* without its keeper no task runs either */
}

/* What the files say is shown here too. */
static void stand_by(void *arg)
{
	struct dags *dags = arg;
	struct dag_set set;
	uint64_t mark = dag_folder_mark(dags->options.env->disk, dags->folder);
	if (mark == dags->files_mark)
		return;
	if (load_files(dags, &set, NULL) == 0)
		take_set(dags, &set);
	dag_set_release(&set);
	dags->files_mark = mark;
}

static int start_lead(struct dags *dags, struct mr_error *err)
{
	struct lead_options options = {
	    .env = dags->options.env,
	    .store = dags->store,
	    .who = dags->who,
	    .terms = {dags->options.lease_ms * 1000, dags->options.lease_ms * 1000 * ALONE_LEASES},
	    .start = lead_start,
	    .busy = lead_busy,
	    .stop = lead_stop,
	    .renewed = lead_renewed,
	    .standing_by = stand_by,
	    .arg = dags,
	};
	return lead_new(&options, &dags->lead, err);
}

int dags_start(struct dags *dags, struct mr_error *err)
{
	int rc = notifier_new(dags->vault, &dags->notifier, err);
	if (rc == 0)
		rc = is_shared(dags) ? start_lead(dags, err) : begin(dags, NULL, err);
	if (rc < 0)
		dags_stop(dags);
	return rc;
}

void dags_stop(struct dags *dags)
{
	hub_close(dags->hub);
	dags->stopping = true;
	lead_free(dags->lead);
	dags->lead = NULL;
	end(dags);
	dags->stopping = false;
	notifier_free(dags->notifier);
	dags->notifier = NULL;
}

void dags_free(struct dags *dags)
{
	if (!dags)
		return;
	if (dags->hub)
		dags_stop(dags);
	for (size_t i = 0; i < dags->dags.len; i++)
		dag_unref(dags->dags.items[i]);
	mr_vec_release(&dags->dags);
	free_faults(dags);
	mr_vec_release(&dags->faults);
	hub_free(dags->hub);
	vault_free(dags->vault);
	airflow_cache_release(&dags->airflow);
	if (dags->store)
		dags->store->ops->free(dags->store);
	pthread_mutex_destroy(&dags->lock);
	pthread_mutex_destroy(&dags->calling);
	pthread_rwlock_destroy(&dags->leading);
	char *const texts[] = {dags->vault_folder, dags->data, dags->folder, dags->store_path,
			       dags->task_folder,  dags->logs, dags->tables, dags->who};
	for (size_t i = 0; i < MR_COUNT(texts); i++)
		free(texts[i]);
	free(dags);
}

/* ---- calls ---- */

static int not_ours(const struct store_leader *leader, struct mr_error *err)
{
	mr_fail(err, MR_ERR_UNAVAILABLE, "this server stands by: %s leads",
		leader->who[0] ? leader->who : "another");
	return mr_hint(err, "ask that one; here is what can be read");
}

/* No scheduler runs: what is asked becomes rows; the next scheduler does the rest. */
static int call_store(struct dags *dags, const struct store_leader *seen, scheduler_fn *fn, void *arg,
		      struct mr_error *err)
{
	const struct env *env = dags->options.env;
	struct core_options options = {.store = dags->store,
				       .rng = env->rng,
				       .load = dags->load,
				       .parallelism = dags->options.parallelism,
				       .hostname = mr_str_from(dags->who),
				       .seen = seen};
	struct core *core;
	struct dag_set set;
	int rc = core_new(&options, clock_wall_us(env->clock), clock_mono_us(env->clock), &core, err);
	if (rc != 0)
		return rc < 0 ? rc : not_ours(seen, err);
	rc = load_files(dags, &set, err);
	if (rc == 0)
		core_set_dags(core, &set);
	dag_set_release(&set);
	if (rc == 0)
		rc = fn(core, arg, err);
	struct store_batch *batch = core_take_batch(core);
	int applied = batch ? dags->store->ops->apply(dags->store, batch, rc < 0 ? NULL : err) : 0;
	rc = rc < 0 ? rc : applied < 0 ? applied : rc;
	store_batch_free(batch);
	/* The place was free, and is again. */
	struct mr_error later;
	if (seen && !seen->who[0] && dags->store->ops->resign(dags->store, core_epoch(core), &later) < 0)
		mr_log_error("dags", &later);
	core_free(core);
	return rc;
}

/* While we stand by, an earlier life of ours is not us. */
static bool leader_is_other(const struct dags *dags, const struct store_leader *leader)
{
	bool ours = leader->epoch == 0 || !leader->who[0] || strcmp(leader->who, dags->who) == 0;
	return dags->lead || !ours;
}

/* Another server's place is not taken for one call. */
static int call_shared(struct dags *dags, scheduler_fn *fn, void *arg, struct mr_error *err)
{
	struct store_leader leader;
	int rc = dags->store->ops->look(dags->store, &leader, err);
	if (rc < 0)
		return rc;
	return leader_is_other(dags, &leader) ? not_ours(&leader, err)
					      : call_store(dags, &leader, fn, arg, err);
}

int dags_call(struct dags *dags, scheduler_fn *fn, void *arg, struct mr_error *err)
{
	pthread_rwlock_rdlock(&dags->leading);
	bool leads = dags->scheduler != NULL;
	int rc = leads ? scheduler_call(dags->scheduler, fn, arg, err) : 0;
	pthread_rwlock_unlock(&dags->leading);
	if (leads)
		return rc;
	if (dags->stopping) /* a task that is stopped with its executor asks */
		return mr_fail(err, MR_ERR_CLOSED, "the scheduler has stopped");
	pthread_mutex_lock(&dags->calling);
	rc = is_shared(dags) ? call_shared(dags, fn, arg, err) : call_store(dags, NULL, fn, arg, err);
	pthread_mutex_unlock(&dags->calling);
	return rc;
}

/* ---- looking ---- */

struct dag_store *dags_store(struct dags *dags)
{
	return dags->store;
}

struct vault *dags_vault(struct dags *dags)
{
	return dags->vault;
}

struct hub *dags_hub(struct dags *dags)
{
	return dags->hub;
}

const struct env *dags_env(const struct dags *dags)
{
	return dags->options.env;
}

const char *dags_logs(const struct dags *dags)
{
	return dags->logs;
}

const char *dags_folder(const struct dags *dags)
{
	return dags->folder;
}

bool dags_started(const struct dags *dags)
{
	return dags->scheduler != NULL;
}

bool dags_leader(struct dags *dags, struct lead_state *out)
{
	if (dags->lead)
		*out = lead_state(dags->lead);
	return dags->lead != NULL;
}

double dags_load_seconds(struct dags *dags)
{
	return dags->load_seconds;
}

struct scheduler_stats dags_stats(struct dags *dags)
{
	pthread_rwlock_rdlock(&dags->leading);
	struct scheduler_stats stats =
	    dags->scheduler ? scheduler_stats(dags->scheduler) : (struct scheduler_stats){0};
	pthread_rwlock_unlock(&dags->leading);
	return stats;
}
