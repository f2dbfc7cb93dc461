/* dag/load.c - files, their defaults and pools, and the keys of a DAG. */
#include "dag/load_internal.h"

#include "base/buf.h"
#include "base/map.h"
#include "conf/nearest.h"
#include "dag/executor.h"
#include "dag/timetable.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 10000

#define AT(member) offsetof(struct dag, member)

static int read_tags(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	struct dag *dag = to;
	return load_names(b, node, &dag->tags, &dag->tag_count, err);
}

static int read_on_failure(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	struct dag *dag = to;
	return load_callbacks(b, node, &dag->on_failure, &dag->on_failure_count, err);
}

static int read_on_success(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	struct dag *dag = to;
	return load_callbacks(b, node, &dag->on_success, &dag->on_success_count, err);
}

static int read_deadline(struct build *b, const struct yaml_node *node, void *to, struct mr_error *err)
{
	struct dag *dag = to;
	struct dag_deadline *deadline = arena_calloc(b->arena, 1, sizeof *deadline);
	deadline->fixed_us = NO_TIME;
	struct dag_callback *callbacks;
	size_t count = 0;
	const struct yaml_node *reference = yaml_get(node, "reference"),
			       *interval = yaml_get(node, "interval");
	const struct yaml_node *callback = yaml_get(node, "callback");
	if (node->kind != YAML_MAPPING || !interval || !callback) {
		load_fail(b, node, err, "a deadline needs its interval and callback");
		return mr_hint(err,
			       "deadline: {reference: queued_at, interval: 4h, callback: {webhook: ops}}");
	}
	deadline->reference = reference ? arena_copy(b->arena, reference->text) : MR_STR("queued_at");
	int rc = load_duration(b, interval, &deadline->interval_us, err);
	if (rc == 0)
		rc = load_callbacks(b, callback, &callbacks, &count, err);
	if (rc == 0 && !mr_str_is(deadline->reference, "queued_at") &&
	    !mr_str_is(deadline->reference, "logical_date"))
		rc = load_time(b, reference, &deadline->fixed_us, err);
	if (rc < 0)
		return rc;
	if (count)
		deadline->callback = callbacks[0];
	dag->deadlines = deadline;
	dag->deadline_count = 1;
	return 0;
}

static const struct key dag_keys[] = {
    {"timezone", VALUE_IGNORED}, /* read first: dates need it */
    {"description", VALUE_STR, AT(description)},
    {"doc_md", VALUE_STR, AT(doc)},
    {"owner", VALUE_STR, AT(owner)},
    {"start_date", VALUE_TIME, AT(start_date_us)},
    {"end_date", VALUE_TIME, AT(end_date_us)},
    {"catchup", VALUE_BOOL, AT(catchup)},
    {"is_paused_upon_creation", VALUE_BOOL, AT(paused_at_first)},
    {"fail_fast", VALUE_BOOL, AT(fail_fast)},
    {"fail_stop", VALUE_BOOL, AT(fail_fast)},
    {"max_active_runs", VALUE_INT, AT(max_active_runs), .least = 1},
    {"max_active_tasks", VALUE_INT, AT(max_active_tasks), .least = 1},
    {"concurrency", VALUE_INT, AT(max_active_tasks), .least = 1},
    {"max_consecutive_failed_dag_runs", VALUE_INT, AT(max_consecutive_failed_runs)},
    {"dagrun_timeout", VALUE_DURATION, AT(dagrun_timeout_us)},
    {"deadline", VALUE_CUSTOM, .read = read_deadline},
    {"tags", VALUE_CUSTOM, .read = read_tags},
    {"on_failure_callback", VALUE_CUSTOM, .read = read_on_failure},
    {"on_success_callback", VALUE_CUSTOM, .read = read_on_success},
    {"schedule", VALUE_IGNORED}, /* these have files of their own */
    {"timetable", VALUE_IGNORED},
    {"calendar", VALUE_IGNORED},
    {"params", VALUE_IGNORED},
    {"default_args", VALUE_IGNORED},
    {"task_groups", VALUE_IGNORED},
    {"tasks", VALUE_IGNORED},
    {"dag_display_name", VALUE_IGNORED}, /* of Airflow's pages */
    {"default_view", VALUE_IGNORED},
    {"orientation", VALUE_IGNORED},
    {"owner_links", VALUE_IGNORED},
    {"access_control", VALUE_IGNORED},
    {"render_template_as_native_obj", VALUE_IGNORED},
};

static int read_dag_keys(struct build *b, const struct yaml_node *node, const char *what,
			 struct mr_error *err)
{
	for (size_t i = 0; node && i < node->count; i++) {
		const struct key *key = load_key(dag_keys, MR_COUNT(dag_keys), node->keys[i]->text);
		if (!key)
			return load_unknown_key(b, node->keys[i], what, dag_keys, MR_COUNT(dag_keys), NULL,
						err);
		int rc = load_value(b, key, node->items[i], b->dag, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static const struct yaml_node *either(const struct yaml_node *first, const struct yaml_node *second,
				      const char *key)
{
	const struct yaml_node *found = yaml_get(first, key);
	return found || !second ? found : yaml_get(second, key);
}

static int read_zone(struct build *b, const struct yaml_node *node, struct mr_error *err)
{
	mr_str name = MR_STR("UTC");
	if (node && node->kind != YAML_SCALAR)
		return load_fail(b, node, err, "expected the name of a time zone");
	if (node && !yaml_is_null(node))
		name = node->text;
	int rc = tz_load(b->options->disk, name, &b->zone, err);
	if (rc < 0)
		return node ? mr_error_where(err, b->file, node->line, node->column) : rc;
	b->dag->timezone = arena_copy(b->arena, name);
	return 0;
}

/* default_args may hold the DAG's own dates. */
static int dates_from_default_args(struct build *b, struct mr_error *err)
{
	const struct yaml_node *const from[] = {b->default_args, b->file_default_args};
	static const char *const names[] = {"start_date", "end_date"};
	int64_t *const to[] = {&b->dag->start_date_us, &b->dag->end_date_us};
	for (size_t i = 0; i < MR_COUNT(from); i++) {
		for (size_t k = 0; k < MR_COUNT(names); k++) {
			const struct yaml_node *node = from[i] ? yaml_get(from[i], names[k]) : NULL;
			int rc = node && *to[k] == NO_TIME ? load_time(b, node, to[k], err) : 0;
			if (rc < 0)
				return rc;
		}
	}
	return 0;
}

/* The version is of everything that was read, kept as a file of its own (JSON is YAML): the DAG's
 * keys and the file's defaults. Loading that gives this version again. */
static int set_version(struct build *b, const struct yaml_node *defaults, const struct yaml_node *node,
		       struct mr_error *err)
{
	struct mr_buf text;
	mr_buf_init(&text, YAML_BYTES_MAX * 4);
	uint8_t digest[SHA256_DIGEST_LENGTH];
	int rc = 0;
	mr_buf_char(&text, '{');
	if (defaults) {
		mr_buf_cstr(&text, "\"default\":");
		rc = yaml_to_json(defaults, b->file, &text, err);
		mr_buf_char(&text, ',');
	}
	json_quote(&text, b->dag->id);
	mr_buf_char(&text, ':');
	if (rc == 0)
		rc = yaml_to_json(node, b->file, &text, err);
	mr_buf_char(&text, '}');
	if (rc == 0) {
		SHA256((const uint8_t *)text.ptr, text.len, digest);
		for (int i = 0; i < 8; i++)
			snprintf(b->dag->version + i * 2, 3, "%02x", digest[i]);
		b->dag->source = arena_copy(b->arena, mr_buf_view(&text));
	}
	mr_buf_release(&text);
	return rc;
}

static int build_dag(struct build *b, const struct yaml_node *defaults, const struct yaml_node *key,
		     const struct yaml_node *node, struct mr_error *err)
{
	if (node->kind != YAML_MAPPING)
		return load_fail(b, node, err, "DAG '%.*s' is not a mapping", MR_FMT(key->text));
	const struct yaml_node *tasks = yaml_get(node, "tasks");
	b->default_args = yaml_get(node, "default_args");
	b->file_default_args = defaults ? yaml_get(defaults, "default_args") : NULL;
	b->tasks = tasks;
	if (!tasks)
		return load_fail(b, key, err, "DAG '%.*s' has no tasks", MR_FMT(key->text));
	int rc = read_zone(b, either(node, defaults, "timezone"), err);
	if (rc == 0)
		rc = read_dag_keys(b, defaults, "default", err);
	if (rc == 0)
		rc = read_dag_keys(b, node, "a DAG", err);
	if (rc == 0)
		rc = dates_from_default_args(b, err);
	if (rc == 0)
		rc = load_tasks(b, tasks, err);
	if (rc == 0)
		rc = load_graph(b, yaml_get(node, "task_groups"), err);
	if (rc == 0)
		rc = load_schedule(b, either(node, defaults, "schedule"), either(node, defaults, "timetable"),
				   err);
	if (rc == 0)
		rc = load_calendar(b, either(node, defaults, "calendar"), err);
	if (rc == 0)
		rc = load_params(b, either(node, defaults, "params"), err);
	return rc == 0 ? set_version(b, defaults, node, err) : rc;
}

void load_fault(struct dag_set *set, const char *file, mr_str dag_id, const struct mr_error *err)
{
	struct dag_fault fault = {.file = mr_strdup(file), .dag_id = mr_strndup(dag_id), .error = *err};
	mr_vec_push(&set->faults, fault);
}

static struct dag *dag_new(const char *file, const struct yaml_node *key)
{
	struct arena arena;
	arena_init(&arena, 8192);
	struct dag *dag = arena_calloc(&arena, 1, sizeof *dag);
	dag->arena = arena;
	atomic_init(&dag->refs, 1);
	dag->id = arena_copy(&dag->arena, key->text);
	dag->file = arena_copy(&dag->arena, mr_str_from(file));
	dag->line = key->line;
	dag->start_date_us = dag->end_date_us = NO_TIME;
	dag->max_active_runs = dag->max_active_tasks = 16;
	return dag;
}

static void load_one(const struct dag_load_options *options, struct arena *scratch, const char *file,
		     const struct yaml_node *defaults, const struct yaml_node *key,
		     const struct yaml_node *node, struct dag_set *set)
{
	struct mr_error err;
	struct dag *dag = dag_new(file, key);
	struct build b = {
	    .options = options, .file = file, .scratch = scratch, .dag = dag, .arena = &dag->arena};
	memset(&err, 0, sizeof err);
	int rc = key->text.len > DAG_ID_BYTES_MAX
		     ? load_fail(&b, key, &err, "a DAG id of %zu bytes", key->text.len)
		     : build_dag(&b, defaults, key, node, &err);
	for (size_t i = 0; b.deps && i < dag->task_count; i++)
		mr_vec_release(&b.deps[i].names);
	tz_free(b.zone);
	if (rc == 0) {
		mr_vec_push(&set->dags, dag);
		return;
	}
	load_fault(set, file, key->text, &err);
	dag_unref(dag);
}

static int read_pools(struct build *b, const struct yaml_node *node, struct dag_set *set,
		      struct mr_error *err)
{
	static const struct key keys[] = {
	    {"slots", VALUE_INT, offsetof(struct dag_pool_file, slots)},
	    {"description", VALUE_STR, offsetof(struct dag_pool_file, description)},
	    {"include_deferred", VALUE_IGNORED},
	};
	if (node->kind != YAML_MAPPING)
		return load_fail(b, node, err, "pools is a mapping of names to slots");
	for (size_t i = 0; i < node->count; i++) {
		const struct yaml_node *value = node->items[i];
		struct dag_pool_file pool = {.name = arena_copy(&set->arena, node->keys[i]->text)};
		int rc = value->kind == YAML_MAPPING ? 0 : load_value(b, &keys[0], value, &pool, err);
		for (size_t k = 0; rc == 0 && value->kind == YAML_MAPPING && k < value->count; k++) {
			const struct key *key = load_key(keys, MR_COUNT(keys), value->keys[k]->text);
			rc = key ? load_value(b, key, value->items[k], &pool, err)
				 : load_unknown_key(b, value->keys[k], "a pool", keys, MR_COUNT(keys), NULL,
						    err);
		}
		if (rc < 0)
			return rc;
		mr_vec_push(&set->pools, pool);
	}
	return 0;
}

void dag_load_text(const struct dag_load_options *options, const char *file, mr_str text, struct dag_set *set)
{
	struct arena scratch = {0};
	struct mr_error err;
	memset(&err, 0, sizeof err);
	struct yaml_node *root;
	struct build b = {.options = options, .file = file, .scratch = &scratch, .arena = &set->arena};
	int rc = yaml_read(&scratch, file, text, NULL, &root, &err);
	if (rc == 0 && !yaml_is_null(root) && root->kind != YAML_MAPPING)
		rc = load_fail(&b, root, &err, "a DAG file is a mapping of DAG ids to DAGs");
	const struct yaml_node *defaults = rc == 0 ? yaml_get(root, "default") : NULL;
	const struct yaml_node *pools = rc == 0 ? yaml_get(root, "pools") : NULL;
	if (defaults && defaults->kind != YAML_MAPPING)
		rc = load_fail(&b, defaults, &err, "default is a mapping of keys for the DAGs of the file");
	if (rc == 0 && pools)
		rc = read_pools(&b, pools, set, &err);
	if (rc < 0)
		load_fault(set, file, MR_STR(""), &err);
	for (size_t i = 0; rc == 0 && i < root->count; i++)
		if (root->items[i] != defaults && root->items[i] != pools)
			load_one(options, &scratch, file, defaults, root->keys[i], root->items[i], set);
	arena_release(&scratch);
}

/* ---- folders ---- */

struct listing {
	uint64_t mark; /* a sum: the order of a listing does not matter */
	struct arena *arena;
	const char *folder;
	MR_VEC(char *) files;
	MR_VEC(char *) scripts; /* .py */
	MR_VEC(char *) folders;
};

static int take_entry(void *arg, const char *name, const struct file_info *info)
{
	struct listing *listing = arg;
	mr_str s = mr_str_from(name);
	char *path =
	    arena_strdup(listing->arena, arena_printf(listing->arena, "%s/%s", listing->folder, name).ptr);
	if (name[0] == '.' || listing->files.len + listing->scripts.len >= FILES_MAX)
		return 0;
	bool yaml = mr_str_ends(s, MR_STR(".yml")) || mr_str_ends(s, MR_STR(".yaml"));
	if (info->is_dir) {
		mr_vec_push(&listing->folders, path);
	} else if (yaml || mr_str_ends(s, MR_STR(".py"))) {
		if (yaml)
			mr_vec_push(&listing->files, path);
		else
			mr_vec_push(&listing->scripts, path);
		struct mr_buf text = {0};
		mr_buf_printf(&text, "%s %lld %lld", path, (long long)info->size, (long long)info->mtime_ms);
		listing->mark += mr_hash(mr_buf_view(&text)) | 1;
		mr_buf_release(&text);
	}
	return 0;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void load_file(const struct dag_load_options *options, const char *path, struct dag_set *set)
{
	struct mr_buf text = {0};
	struct mr_error err;
	if (disk_read_file(options->disk, path, YAML_BYTES_MAX, &text, &err) < 0)
		load_fault(set, path, MR_STR(""), &err);
	else
		dag_load_text(options, path, mr_buf_view(&text), set);
	mr_buf_release(&text);
}

static int list_files(struct mr_disk *disk, struct listing *listing, struct mr_error *err)
{
	int rc = disk_exists(disk, listing->folder)
		     ? disk_list(disk, listing->folder, take_entry, listing, err)
		     : 0;
	for (size_t i = 0; rc == 0 && i < listing->folders.len && i < FILES_MAX; i++) {
		listing->folder = listing->folders.items[i];
		rc = disk_list(disk, listing->folder, take_entry, listing, err);
	}
	if (rc == 0 && listing->files.len)
		qsort(listing->files.items, listing->files.len, sizeof(char *), by_text);
	if (rc == 0 && listing->scripts.len)
		qsort(listing->scripts.items, listing->scripts.len, sizeof(char *), by_text);
	return rc;
}

static void listing_release(struct listing *listing)
{
	mr_vec_release(&listing->files);
	mr_vec_release(&listing->scripts);
	mr_vec_release(&listing->folders);
	arena_release(listing->arena);
}

int dag_load_folder(const struct dag_load_options *options, const char *folder, struct dag_set *set,
		    struct mr_error *err)
{
	struct arena arena = {0};
	struct listing listing = {.arena = &arena, .folder = folder};
	int rc = list_files(options->disk, &listing, err);
	for (size_t i = 0; rc == 0 && i < listing.files.len; i++)
		load_file(options, listing.files.items[i], set);
	if (rc == 0 && options->read_scripts)
		load_scripts(options, folder, listing.scripts.items, listing.scripts.len, set);
	listing_release(&listing);
	return rc;
}

uint64_t dag_folder_mark(struct mr_disk *disk, const char *folder)
{
	struct arena arena = {0};
	struct listing listing = {.arena = &arena, .folder = folder};
	uint64_t mark = list_files(disk, &listing, NULL) < 0 ? 0 : listing.mark;
	listing_release(&listing);
	return mark;
}

/* ---- what spans files ---- */

static int by_id(const void *a, const void *b)
{
	const struct dag *x = *(struct dag *const *)a, *y = *(struct dag *const *)b;
	int order = memcmp(x->id.ptr, y->id.ptr, mr_min_size(x->id.len, y->id.len));
	return order ? order : (x->id.len > y->id.len) - (x->id.len < y->id.len);
}

static bool pool_known(const struct dag_load_options *options, const struct dag_set *set, mr_str name)
{
	bool known = mr_str_is(name, "default_pool") ||
		     (options->pool_exists && options->pool_exists(options->arg, name));
	for (size_t i = 0; !known && i < set->pools.len; i++)
		known = mr_str_eq(set->pools.items[i].name, name);
	return known;
}

static int check_pools(const struct dag_load_options *options, const struct dag_set *set,
		       const struct dag *dag, struct mr_error *err)
{
	const char *names[256];
	size_t n = 0;
	names[n++] = "default_pool";
	for (size_t i = 0; i < set->pools.len && n < MR_COUNT(names); i++)
		names[n++] = set->pools.items[i].name.ptr;
	for (size_t i = 0; i < dag->task_count; i++) {
		const struct dag_task *task = &dag->tasks[i];
		if (pool_known(options, set, task->pool))
			continue;
		mr_fail(err, MR_ERR_INVALID, "task '%.*s': no pool is called '%.*s'", MR_FMT(task->name),
			MR_FMT(task->pool));
		mr_error_where(err, dag->file.ptr, task->line, 1);
		const char *near = conf_nearest(task->pool, names, n);
		return mr_hint(err, near ? "did you mean '%s'?" : "name it in a DAG file: pools: {NAME: 8}%s",
			       near ? near : "");
	}
	return 0;
}

/* Of files alone: a stored version that a run began with loads whatever it says, and the scheduler
 * ends the tries that nobody runs. */
static int check_executors(const struct dag *dag, struct mr_error *err)
{
	for (size_t i = 0; i < dag->task_count; i++) {
		const struct dag_task *task = &dag->tasks[i];
		struct mr_error why;
		if (dag_executor_check(task->executor, task->operator, & why) == 0)
			continue;
		mr_fail(err, MR_ERR_INVALID, "task '%.*s': %s", MR_FMT(task->name), why.message);
		mr_error_where(err, dag->file.ptr, task->line, 1);
		return mr_hint(err, "%s", why.hint);
	}
	return 0;
}

/* Fresh from its file, the DAG is nobody else's yet. */
static void forget_schedule(const struct dag_load_options *options, struct dag *dag)
{
	struct tz *zone;
	if (tz_load(options->disk, dag->timezone.len ? dag->timezone : MR_STR("UTC"), &zone, NULL) < 0)
		return;
	timetable_free(dag->timetable);
	dag->timetable = timetable_never(zone);
	dag->assets = NULL;
	dag->paused_at_first = false;
}

static void keep_only(const struct dag_load_options *options, struct dag_set *set)
{
	size_t kept = 0;
	for (size_t i = 0; i < set->dags.len; i++) {
		if (mr_str_eq(set->dags.items[i]->id, options->only)) {
			forget_schedule(options, set->dags.items[i]);
			set->dags.items[kept++] = set->dags.items[i];
		} else {
			dag_unref(set->dags.items[i]);
		}
	}
	set->dags.len = kept;
}

void dag_set_finish(const struct dag_load_options *options, struct dag_set *set)
{
	size_t kept = 0;
	if (set->dags.len)
		qsort(set->dags.items, set->dags.len, sizeof(struct dag *), by_id);
	for (size_t i = 0; i < set->dags.len; i++) {
		struct dag *dag = set->dags.items[i];
		struct mr_error err;
		memset(&err, 0, sizeof err);
		int rc = check_pools(options, set, dag, &err);
		if (rc == 0)
			rc = check_executors(dag, &err);
		if (rc == 0 && kept && mr_str_eq(set->dags.items[kept - 1]->id, dag->id)) {
			rc = mr_fail(&err, MR_ERR_EXISTS, "DAG '%.*s' is in %s too", MR_FMT(dag->id),
				     set->dags.items[kept - 1]->file.ptr);
			mr_error_where(&err, dag->file.ptr, dag->line, 1);
		}
		if (rc == 0) {
			set->dags.items[kept++] = dag;
			continue;
		}
		load_fault(set, dag->file.ptr, dag->id, &err);
		dag_unref(dag);
	}
	set->dags.len = kept;
	if (options->only.len)
		keep_only(options, set);
}

struct dag *dag_set_find(const struct dag_set *set, mr_str dag_id)
{
	for (size_t i = 0; i < set->dags.len; i++)
		if (mr_str_eq(set->dags.items[i]->id, dag_id))
			return set->dags.items[i];
	return NULL;
}

void dag_set_release(struct dag_set *set)
{
	for (size_t i = 0; i < set->dags.len; i++)
		dag_unref(set->dags.items[i]);
	for (size_t i = 0; i < set->faults.len; i++) {
		free(set->faults.items[i].file);
		free(set->faults.items[i].dag_id);
	}
	mr_vec_release(&set->dags);
	mr_vec_release(&set->pools);
	mr_vec_release(&set->faults);
	arena_release(&set->arena);
}
