/* lake/lake.c - which folder a table's name means, and the handles.
 *
 * A table without a LOCATION is tables_dir/<schema>/<table>. One with a LOCATION leaves a file
 * tables_dir/<schema>/<table>.location that holds the path; where there is no tables_dir it is
 * known as long as the program runs.
 */
#include "lake/internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

#define LOCATION_MAX 4096

void lake_new(const struct lake_options *options, struct lake **out)
{
	struct lake *lake = mr_calloc(1, sizeof *lake);
	lake->options = *options;
	lake->tables_dir = options->tables_dir ? mr_strdup(options->tables_dir) : NULL;
	pthread_mutex_init(&lake->lock, NULL);
	*out = lake;
}

void lake_free(struct lake *lake)
{
	if (!lake)
		return;
	mr_map_each (&lake->by_path, entry) {
		delta_close(entry->value);
	}
	mr_map_each (&lake->locations, entry) {
		free(entry->value);
	}
	mr_map_release(&lake->by_path);
	mr_map_release(&lake->locations);
	pthread_mutex_destroy(&lake->lock);
	free(lake->tables_dir);
	free(lake);
}

static int locate(const struct lake *lake, mr_str uri, struct arena *arena, mr_str *out, struct mr_error *err)
{
	char *path;
	int rc = disk_locate(lake->options.env->disk, uri, &path, err);
	if (rc < 0)
		return rc;
	*out = mr_str_from(arena_strdup(arena, path));
	free(path);
	return 0;
}

/* "file:///data/t" and "/data/t/" are "/data/t"; another scheme is the disk's to know. */
static int plain_path(const struct lake *lake, mr_str path, struct arena *arena, mr_str *out,
		      struct mr_error *err)
{
	if (mr_str_starts(path, MR_STR("file:///")))
		path = mr_str_tail(path, 7);
	else if (mr_str_starts(path, MR_STR("file:/")))
		path = mr_str_tail(path, 5);
	if (path.len && memmem(path.ptr, path.len, "://", 3))
		return locate(lake, path, arena, out, err);
	while (path.len > 1 && path.ptr[path.len - 1] == '/')
		path.len--;
	if (!path.len || memchr(path.ptr, 0, path.len))
		return mr_fail(err, MR_ERR_INVALID, "a table's path is empty or holds a NUL");
	*out = arena_copy(arena, path);
	return 0;
}

/* One handle a folder, whatever way leads there. Of a folder that is to be made, the part that is there
 * is resolved. */
static char *real_path(const char *path)
{
	char *real = realpath(path, NULL);
	if (real)
		return real;
	const char *slash = strrchr(path, '/');
	if (slash == path)
		return mr_strdup(path);
	char *parent = slash ? mr_strndup(mr_str_n(path, (size_t)(slash - path))) : getcwd(NULL, 0);
	char *above = real_path(parent && *parent ? parent : "/");
	char *whole = mr_asprintf("%s/%s", above, slash ? slash + 1 : path);
	free(above);
	free(parent);
	return whole;
}

/* A path of this machine is resolved; a store has no links. */
static char *known_path(const struct lake *lake, const char *path)
{
	char *name = disk_name(lake->options.env->disk, path);
	bool is_store = strcmp(name, path) != 0;
	free(name);
	return is_store ? mr_strdup(path) : real_path(path);
}

void lake_confine(struct lake *lake)
{
	lake->confined = true;
}

static int check_confined(const struct lake *lake, const char *real, struct mr_error *err)
{
	if (!lake->confined)
		return 0;
	char *own = lake->tables_dir ? real_path(lake->tables_dir) : mr_strdup("");
	size_t len = strlen(own);
	bool inside = len && strncmp(real, own, len) == 0 && real[len] == '/' && !strstr(real, "/../");
	free(own);
	if (inside)
		return 0;
	mr_fail(err, MR_ERR_UNSUPPORTED, "%s: this server opens the tables of its own folder only", real);
	return mr_hint(err, "ask from a shell on its machine: millrace sql -c \"...\"");
}

int lake_at_path(struct lake *lake, mr_str path, struct delta_table **out, struct mr_error *err)
{
	struct arena arena = {0};
	mr_str plain;
	int rc = plain_path(lake, path, &arena, &plain, err);
	if (rc == 0) {
		char *real = known_path(lake, plain.ptr);
		rc = check_confined(lake, real, err);
		pthread_mutex_lock(&lake->lock);
		struct delta_table *table = mr_map_get(&lake->by_path, mr_str_from(real));
		if (!table && rc == 0) {
			rc = delta_open(lake->options.env, lake->options.engine, real, &table, err);
			if (rc == 0)
				mr_map_put(&lake->by_path, mr_str_from(real), table);
		}
		pthread_mutex_unlock(&lake->lock);
		free(real);
		if (rc == 0)
			*out = table;
	}
	arena_release(&arena);
	return rc;
}

mr_str lake_full_name(mr_str name, struct arena *arena)
{
	bool bare = !memchr(name.ptr, '.', name.len);
	mr_str full = arena_printf(arena, "%s%.*s", bare ? "default." : "", MR_FMT(name));
	for (size_t i = 0; i < full.len; i++)
		((char *)(uintptr_t)full.ptr)[i] = (char)tolower((unsigned char)full.ptr[i]);
	return full;
}

/* A name becomes two folders, so it must be two plain words. */
static bool is_plain_name(mr_str full)
{
	size_t dots = 0;
	for (size_t i = 0; i < full.len; i++) {
		char c = full.ptr[i];
		dots += c == '.';
		if (!isalnum((unsigned char)c) && !strchr("._-", c) && (unsigned char)c < 0x80)
			return false;
	}
	return dots == 1 && full.len < 512 && full.ptr[0] != '.' && full.ptr[full.len - 1] != '.';
}

static char *folder_of(const struct lake *lake, mr_str full)
{
	size_t schema = (size_t)((const char *)memchr(full.ptr, '.', full.len) - full.ptr);
	return mr_asprintf("%s/%.*s/%.*s", lake->tables_dir, (int)schema, full.ptr,
			   MR_FMT(mr_str_tail(full, schema + 1)));
}

/* The path in NAME.location; NULL when there is none. */
static char *read_location(const struct lake *lake, const char *folder)
{
	char *file = mr_asprintf("%s.location", folder);
	struct mr_buf text = {0};
	int rc = disk_read_file(lake->options.env->disk, file, LOCATION_MAX, &text, NULL);
	free(file);
	if (rc == 0)
		return mr_buf_take(&text);
	mr_buf_release(&text);
	return NULL;
}

/* The path that a name stands for, to be freed; NULL when it stands for nothing. */
static char *path_of(struct lake *lake, mr_str full)
{
	pthread_mutex_lock(&lake->lock);
	const char *known = mr_map_get(&lake->locations, full);
	char *path = known ? mr_strdup(known) : NULL;
	pthread_mutex_unlock(&lake->lock);
	if (path || !lake->tables_dir || !is_plain_name(full))
		return path;
	char *folder = folder_of(lake, full);
	path = read_location(lake, folder);
	if (!path) {
		char *log = mr_asprintf("%s/_delta_log", folder);
		path = disk_exists(lake->options.env->disk, log) ? mr_strdup(folder) : NULL;
		free(log);
	}
	free(folder);
	return path;
}

int lake_find(struct lake *lake, mr_str name, struct delta_table **out, struct mr_error *err)
{
	bool derived;
	struct delta_table *own =
	    lake->options.find ? lake->options.find(lake->options.find_arg, name, &derived) : NULL;
	if (own) {
		*out = own;
		return 0;
	}
	struct arena arena = {0};
	char *path = path_of(lake, lake_full_name(name, &arena));
	arena_release(&arena);
	if (!path)
		return mr_fail(err, MR_ERR_NOT_FOUND, "there is no table %.*s", MR_FMT(name));
	int rc = lake_at_path(lake, mr_str_from(path), out, err);
	free(path);
	return rc;
}

int lake_place(struct lake *lake, mr_str name, mr_str location, struct arena *arena, mr_str *path,
	       struct mr_error *err)
{
	if (location.len)
		return plain_path(lake, location, arena, path, err);
	mr_str full = lake_full_name(name, arena);
	if (!lake->tables_dir) {
		mr_fail(err, MR_ERR_INVALID, "there is no folder for table %.*s", MR_FMT(name));
		return mr_hint(err, "say where: CREATE TABLE ... LOCATION '/path', or name it delta.`/path`");
	}
	if (!is_plain_name(full))
		return mr_fail(err, MR_ERR_INVALID,
			       "a table's name is schema.table, of letters, digits, '_' and '-': %.*s",
			       MR_FMT(name));
	char *folder = folder_of(lake, full);
	*path = arena_copy(arena, mr_str_from(folder));
	free(folder);
	return 0;
}

int lake_register(struct lake *lake, mr_str name, mr_str path, struct mr_error *err)
{
	struct arena arena = {0};
	mr_str full = lake_full_name(name, &arena);
	int rc = 0;
	char *folder = lake->tables_dir ? folder_of(lake, full) : NULL;
	char *local = known_path(lake, path.ptr), *real = disk_name(lake->options.env->disk, local);
	if (folder && strcmp(folder, path.ptr) != 0) {
		char *file = mr_asprintf("%s.location", folder);
		char *parent = mr_strndup(mr_str_n(folder, (size_t)(strrchr(folder, '/') - folder)));
		rc = disk_mkdir_all(lake->options.env->disk, parent, err);
		if (rc == 0)
			rc = disk_replace_file(lake->options.env->disk, file, mr_str_from(real), err);
		free(parent);
		free(file);
	} else if (!folder) {
		pthread_mutex_lock(&lake->lock);
		free(mr_map_put(&lake->locations, full, mr_strdup(real)));
		pthread_mutex_unlock(&lake->lock);
	}
	free(local);
	free(real);
	free(folder);
	arena_release(&arena);
	return rc;
}

int lake_check_local(const struct delta_table *table, const char *what, struct mr_error *err)
{
	if (strcmp(delta_name(table), delta_path(table)) == 0)
		return 0;
	mr_fail(err, MR_ERR_UNSUPPORTED, "%s: %s is for tables of this machine's disks", delta_name(table),
		what);
	return mr_hint(err, "CREATE TABLE ... AS SELECT * FROM ... makes a table of its own");
}

int lake_forget(struct lake *lake, mr_str name, struct mr_error *err)
{
	struct arena arena = {0};
	mr_str full = lake_full_name(name, &arena);
	int rc = 0;
	pthread_mutex_lock(&lake->lock);
	free(mr_map_remove(&lake->locations, full));
	pthread_mutex_unlock(&lake->lock);
	if (lake->tables_dir && is_plain_name(full)) {
		char *folder = folder_of(lake, full);
		char *file = mr_asprintf("%s.location", folder);
		/* Only a table of our own folder loses its files with its name, as in Spark. */
		rc = disk_unlink(lake->options.env->disk, file, err);
		if (rc == MR_ERR_NOT_FOUND)
			rc = disk_remove_all(lake->options.env->disk, folder, err);
		free(file);
		free(folder);
	}
	arena_release(&arena);
	return rc;
}

int lake_resolve(struct lake_session *s, const struct table_name *name, bool to_change,
		 struct delta_table **out, struct mr_error *err)
{
	struct lake *lake = s->lake;
	bool derived = false;
	if (name->path.len)
		return lake_at_path(lake, name->path, out, err);
	if (lake->options.find && lake->options.find(lake->options.find_arg, name->name, &derived) &&
	    derived && to_change) {
		mr_fail(err, MR_ERR_UNSUPPORTED, "%.*s is a materialized view: its rows are its query's",
			MR_FMT(name->name));
		return mr_hint(err, "change the tables that it reads, or its query");
	}
	int rc = lake_find(lake, name->name, out, NULL);
	return rc == MR_ERR_NOT_FOUND ? 1 : rc < 0 ? lake_find(lake, name->name, out, err) : 0;
}

/* ---- names ---- */

struct listing {
	struct lake *lake;
	struct lake_names *out;
	MR_VEC(mr_str) names;
	const char *schema;
	struct mr_error *err;
};

static int list_table(void *arg, const char *name, const struct file_info *info)
{
	struct listing *l = arg;
	mr_str table = mr_str_from(name);
	if (mr_str_ends(table, MR_STR(".location")))
		table.len -= strlen(".location");
	else if (!info->is_dir)
		return 0;
	mr_vec_push(&l->names, arena_printf(&l->out->arena, "%s.%.*s", l->schema, MR_FMT(table)));
	return 0;
}

static int list_schema(void *arg, const char *name, const struct file_info *info)
{
	struct listing *l = arg;
	if (!info->is_dir)
		return 0;
	char *path = mr_asprintf("%s/%s", l->lake->tables_dir, name);
	l->schema = name;
	int rc = disk_list(l->lake->options.env->disk, path, list_table, l, l->err);
	free(path);
	return rc;
}

static int by_text(const void *a, const void *b)
{
	const mr_str *left = a, *right = b;
	return strcmp(left->ptr, right->ptr); /* arena copies end in NUL */
}

int lake_names(struct lake *lake, struct lake_names *out, struct mr_error *err)
{
	*out = (struct lake_names){0};
	struct listing l = {.lake = lake, .out = out, .err = err};
	int rc = 0;
	if (lake->tables_dir)
		rc = disk_list(lake->options.env->disk, lake->tables_dir, list_schema, &l, err);
	if (rc == MR_ERR_NOT_FOUND)
		rc = 0;
	pthread_mutex_lock(&lake->lock);
	mr_map_each (&lake->locations, entry)
		mr_vec_push(&l.names, arena_copy(&out->arena, mr_str_n(entry->key, entry->key_len)));
	pthread_mutex_unlock(&lake->lock);
	out->items = arena_alloc(&out->arena, (l.names.len + 1) * sizeof *out->items);
	for (size_t i = 0; i < l.names.len; i++)
		out->items[out->count++] = l.names.items[i];
	if (out->count)
		qsort(out->items, out->count, sizeof *out->items, by_text);
	mr_vec_release(&l.names);
	if (rc < 0)
		lake_names_release(out);
	return rc;
}

void lake_names_release(struct lake_names *names)
{
	arena_release(&names->arena);
	*names = (struct lake_names){0};
}
