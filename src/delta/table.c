/* delta/table.c - the handle: opening, making a table, snapshots of now and then. */
#include "delta/internal.h"
#include "delta/validate.h"

#include <ctype.h>
#include <strings.h>

int delta_open(const struct env *env, struct sql_engine *engine, const char *path, struct delta_table **out,
	       struct mr_error *err)
{
	size_t len = strlen(path);
	while (len > 1 && path[len - 1] == '/')
		len--;
	if (!len)
		return mr_fail(err, MR_ERR_INVALID, "a table needs a folder");
	int rc = engine ? delta_vectors_install(env, engine, err) : 0;
	if (rc < 0)
		return rc;
	struct delta_table *table = mr_calloc(1, sizeof *table);
	table->env = env;
	table->engine = engine;
	table->path = mr_strndup(mr_str_n(path, len));
	table->log_path = mr_asprintf("%s/_delta_log", table->path);
	table->name = disk_name(env->disk, table->path);
	table->parser = json_parser_new();
	pthread_mutex_init(&table->lock, NULL);
	pthread_mutex_init(&table->queue_lock, NULL);
	pthread_mutex_init(&table->turn, NULL);
	table->queue_end = &table->queue;
	*out = table;
	return 0;
}

void delta_close(struct delta_table *table)
{
	if (!table)
		return;
	delta_snapshot_unref(table->snapshot);
	delta_state_free(table->state);
	json_parser_free(table->parser);
	pthread_mutex_destroy(&table->turn);
	pthread_mutex_destroy(&table->queue_lock);
	pthread_mutex_destroy(&table->lock);
	free(table->log_path);
	free(table->name);
	free(table->path);
	free(table);
}

void delta_turn_take(struct delta_table *table)
{
	pthread_mutex_lock(&table->turn);
}

void delta_turn_give(struct delta_table *table)
{
	pthread_mutex_unlock(&table->turn);
}

const char *delta_name(const struct delta_table *table)
{
	return table->name;
}

const char *delta_path(const struct delta_table *table)
{
	return table->path;
}

/* ---- making one ---- */

static int check_column(const struct delta_create *create, size_t at, struct mr_error *err)
{
	mr_str name = create->columns[at].name;
	if (!name.len)
		return mr_fail(err, MR_ERR_INVALID, "a column has no name");
	for (size_t i = 0; i < name.len; i++) {
		if (!strchr(" ,;{}()\n\t=", name.ptr[i]) && name.ptr[i])
			continue;
		mr_fail(err, MR_ERR_INVALID,
			"column name \"%.*s\": Delta allows none of \" ,;{}()=\", tab, newline",
			MR_FMT(name));
		return mr_hint(err, "give it another name with AS");
	}
	for (size_t i = 0; i < at; i++)
		if (create->columns[i].name.len == name.len &&
		    strncasecmp(create->columns[i].name.ptr, name.ptr, name.len) == 0)
			return mr_fail(err, MR_ERR_INVALID,
				       "there are two columns %.*s (case does not count)", MR_FMT(name));
	return 0;
}

static int check_create(const struct delta_create *create, struct mr_error *err)
{
	for (size_t i = 0; i < create->column_count; i++) {
		int rc = check_column(create, i, err);
		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < create->partition_count; i++) {
		size_t at = 0;
		while (at < create->column_count &&
		       !mr_str_eq(create->columns[at].name, create->partition_by[i]))
			at++;
		if (at == create->column_count)
			return mr_fail(err, MR_ERR_INVALID, "partition column %.*s is no column of the table",
				       MR_FMT(create->partition_by[i]));
	}
	if (create->column_count <= create->partition_count)
		return mr_fail(err, MR_ERR_INVALID, "a table needs a column besides its partition columns");
	return 0;
}

static void write_commit_info(struct json_writer *w, int64_t now_ms)
{
	json_key(w, "commitInfo");
	json_begin_object(w);
	json_member_int(w, "timestamp", now_ms);
	json_member_cstr(w, "operation", "CREATE TABLE");
	json_key(w, "operationParameters");
	json_begin_object(w);
	json_end_object(w);
	json_member_bool(w, "isBlindAppend", true);
	json_member_cstr(w, "engineInfo", ENGINE_INFO);
	json_end_object(w);
}

static void write_metadata(struct json_writer *w, const struct delta_create *create, const char *id,
			   int64_t now_ms)
{
	struct mr_buf schema = {0};
	delta_schema_write(&schema, create);
	json_key(w, "metaData");
	json_begin_object(w);
	json_member_cstr(w, "id", id);
	if (create->description.len)
		json_member_str(w, "description", create->description);
	json_key(w, "format");
	json_begin_object(w);
	json_member_cstr(w, "provider", "parquet");
	json_key(w, "options");
	json_begin_object(w);
	json_end_object(w);
	json_end_object(w);
	json_member_str(w, "schemaString", mr_buf_view(&schema));
	json_key(w, "partitionColumns");
	json_begin_array(w);
	for (size_t i = 0; i < create->partition_count; i++)
		json_put_str(w, create->partition_by[i]);
	json_end_array(w);
	json_key(w, "configuration");
	json_begin_object(w);
	json_end_object(w);
	json_member_int(w, "createdTime", now_ms);
	json_end_object(w);
	mr_buf_release(&schema);
}

/* (1,2) unless a type needs more: the widest circle of readers. */
static void write_first_commit(struct mr_buf *out, struct delta_table *table,
			       const struct delta_create *create)
{
	static const char *const ntz[] = {"timestampNtz"};
	struct table_protocol protocol;
	bool changed;
	int rc = delta_protocol_extend(NULL, ntz, delta_schema_needs_ntz(create), &protocol, &changed, NULL);
	MR_ASSERT(rc == 0);
	char id[37];
	rng_uuid(table->env->rng, id);
	int64_t now_ms = clock_wall_ms(table->env->clock);
	for (int i = 0; i < 3; i++) {
		struct json_writer w = json_writer(out);
		json_begin_object(&w);
		if (i == 0)
			write_commit_info(&w, now_ms);
		else if (i == 1)
			delta_protocol_write(&w, &protocol);
		else
			write_metadata(&w, create, id, now_ms);
		json_end_object(&w);
		mr_buf_char(out, '\n');
	}
	delta_protocol_release(&protocol);
}

static int put_first(struct delta_table *table, mr_str bytes, struct mr_error *err)
{
	struct staged_commit staged = {0};
	struct sync_list nothing_else;
	delta_sync_init(&nothing_else, table);
	int rc = delta_store_stage(table, &staged, bytes, &nothing_else, err);
	if (rc == 0)
		rc = delta_store_put_commit(table, 0, &staged, err);
	delta_store_unstage(table, &staged);
	delta_sync_release(&nothing_else);
	return rc;
}

int delta_create(struct delta_table *table, const struct delta_create *create, struct mr_error *err)
{
	int rc = check_create(create, err);
	if (rc < 0)
		return rc;
	pthread_mutex_lock(&table->lock);
	rc = delta_log_advance(table, err);
	if (rc == 0) {
		rc = mr_fail(err, MR_ERR_EXISTS, "there is a Delta table at %s already", table->path);
	} else if (rc == MR_ERR_NOT_FOUND) {
		struct mr_buf bytes = {0};
		write_first_commit(&bytes, table, create);
		rc = disk_mkdir_all(table->env->disk, table->log_path, err);
		if (rc == 0)
			rc = delta_validate_actions(NULL, mr_buf_view(&bytes), table->parser, err);
		if (rc == 0)
			rc = put_first(table, mr_buf_view(&bytes), err);
		mr_buf_release(&bytes);
	}
	pthread_mutex_unlock(&table->lock);
	return rc;
}

/* ---- snapshots ---- */

static struct delta_snapshot *newest_snapshot(struct delta_table *table)
{
	if (table->snapshot && table->snapshot->version != table->state->version) {
		delta_snapshot_unref(table->snapshot);
		table->snapshot = NULL;
	}
	if (!table->snapshot)
		table->snapshot = delta_snapshot_new(table->state, table->env->disk, table->path);
	return delta_snapshot_ref(table->snapshot);
}

int delta_snapshot(struct delta_table *table, struct delta_snapshot **out, struct mr_error *err)
{
	pthread_mutex_lock(&table->lock);
	int rc = delta_log_advance(table, err);
	if (rc == 0)
		*out = newest_snapshot(table);
	pthread_mutex_unlock(&table->lock);
	return rc;
}

static int old_snapshot(struct delta_table *table, int64_t version, struct delta_snapshot **out,
			struct mr_error *err)
{
	struct delta_log_state *state;
	int rc = delta_log_load(table, version, &state, err);
	if (rc < 0)
		return rc;
	*out = delta_snapshot_new(state, table->env->disk, table->path);
	delta_state_free(state);
	return 0;
}

static int snapshot_at(struct delta_table *table, int64_t version, struct delta_snapshot **out,
		       struct mr_error *err)
{
	int rc = delta_log_advance(table, err);
	if (rc < 0)
		return rc;
	if (version < 0 || version > table->state->version) {
		mr_fail(err, MR_ERR_NOT_FOUND, "%s has no version %lld", table->path, (long long)version);
		return mr_hint(err, "its newest version is %lld", (long long)table->state->version);
	}
	if (version == table->state->version) {
		*out = newest_snapshot(table);
		return 0;
	}
	return old_snapshot(table, version, out, err);
}

int delta_snapshot_at(struct delta_table *table, int64_t version, struct delta_snapshot **out,
		      struct mr_error *err)
{
	pthread_mutex_lock(&table->lock);
	int rc = snapshot_at(table, version, out, err);
	pthread_mutex_unlock(&table->lock);
	return rc;
}

int delta_snapshot_at_time(struct delta_table *table, int64_t ms, struct delta_snapshot **out,
			   struct mr_error *err)
{
	int64_t version;
	pthread_mutex_lock(&table->lock);
	int rc = delta_log_advance(table, err);
	if (rc == 0)
		rc = delta_commit_time_find(table, ms, &version, err);
	if (rc == 0)
		rc = snapshot_at(table, version, out, err);
	pthread_mutex_unlock(&table->lock);
	return rc;
}

int delta_check_writable(struct delta_table *table, struct mr_error *err)
{
	pthread_mutex_lock(&table->lock);
	int rc = delta_log_advance(table, err);
	if (rc == 0)
		rc = delta_gate_write(table->state->protocol, table->state->meta, true, err);
	pthread_mutex_unlock(&table->lock);
	return rc;
}

int delta_domain_configuration(struct delta_table *table, const char *name, struct arena *arena, mr_str *out,
			       struct mr_error *err)
{
	struct json_value body;
	mr_str found = MR_STR_NULL;
	pthread_mutex_lock(&table->lock);
	int rc = delta_log_advance(table, err);
	const char *domain = rc == 0 ? mr_map_get(&table->state->domains, mr_str_from(name)) : NULL;
	if (domain)
		rc = json_parse(table->parser, mr_str_from(domain), &body, err);
	if (domain && rc == 0)
		found = arena_copy(arena, json_str(json_get(body, "configuration")));
	pthread_mutex_unlock(&table->lock);
	if (rc == 0)
		*out = found;
	return rc;
}
