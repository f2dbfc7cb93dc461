#include "conf/files.h"

#include "base/buf.h"
#include "base/vec.h"

#define SQL_BYTES_MAX ((size_t)4 << 20)
#define ENTRIES_MAX 10000
#define LEVELS_MAX 16

bool conf_glob_match(const char *pattern, const char *path)
{
	for (; *pattern; pattern++, path++) {
		if (*pattern == '*') {
			bool across = pattern[1] == '*';
			const char *rest = pattern + (across ? 2 : 1);
			/* "a/" "**" "/b" also matches a/b: no folder at all is any folders. */
			if (across && *rest == '/' && conf_glob_match(rest + 1, path))
				return true;
			for (;; path++) {
				if (conf_glob_match(rest, path))
					return true;
				if (!*path || (!across && *path == '/'))
					return false;
			}
		}
		if (!*path || (*pattern == '?' ? *path == '/' : *pattern != *path))
			return false;
	}
	return !*path;
}

struct walk {
	struct mr_disk *disk;
	struct arena *arena;
	const char *folder; /* of the project */
	const char *below;  /* relative; "" at the top */
	int level;
	size_t entries;
	MR_VEC(const char *) folders; /* still to be listed, relative */
	MR_VEC(const char *) files;
};

static int take_entry(void *arg, const char *name, const struct file_info *info)
{
	struct walk *walk = arg;
	if (name[0] == '.')
		return 0;
	if (++walk->entries > ENTRIES_MAX)
		return 1;
	const char *path = *walk->below ? arena_printf(walk->arena, "%s/%s", walk->below, name).ptr
					: arena_strdup(walk->arena, name);
	if (info->is_dir)
		mr_vec_push(&walk->folders, path);
	else
		mr_vec_push(&walk->files, path);
	return 0;
}

static int level_of(const char *path)
{
	int level = 1;
	for (; *path; path++)
		level += *path == '/';
	return level;
}

/* List `below` and all folders under it into walk->files. */
static int list_files(struct walk *walk, const char *below, struct mr_error *err)
{
	mr_vec_push(&walk->folders, below);
	while (walk->folders.len) {
		walk->below = walk->folders.items[--walk->folders.len];
		if (level_of(walk->below) > LEVELS_MAX)
			return mr_fail(err, MR_ERR_LIMIT, "%s/%s: folders nested deeper than %d",
				       walk->folder, walk->below, LEVELS_MAX);
		mr_str full = arena_printf(walk->arena, "%s/%s", walk->folder, walk->below);
		int rc = disk_list(walk->disk, full.ptr, take_entry, walk, err);
		if (rc < 0)
			return rc;
		if (walk->entries > ENTRIES_MAX)
			return mr_fail(err, MR_ERR_LIMIT, "%s: more than %d files below it", full.ptr,
				       ENTRIES_MAX);
	}
	return 0;
}

/* The folder that every match of the pattern lies below: "a/b" of "a/b/" "**". */
static const char *pattern_root(struct arena *arena, mr_str pattern)
{
	size_t wild = strcspn(pattern.ptr, "*?");
	while (wild > 0 && pattern.ptr[wild - 1] != '/')
		wild--;
	return arena_copy(arena, mr_str_n(pattern.ptr, wild ? wild - 1 : 0)).ptr;
}

static int by_path(const void *a, const void *b)
{
	const struct conf_sql_file *x = a, *y = b;
	return strcmp(x->path, y->path);
}

typedef MR_VEC(struct conf_sql_file) sql_files;

static int take_file(struct walk *walk, const char *path, bool named, sql_files *found, struct mr_error *err)
{
	mr_str name = mr_str_from(path);
	if (mr_str_ends(name, MR_STR(".py"))) {
		mr_fail(err, MR_ERR_UNSUPPORTED, "%s: Python transformations are not supported", path);
		mr_hint(err, "write it as SQL, or leave it out of `libraries`");
		return MR_ERR_UNSUPPORTED;
	}
	if (!mr_str_ends(name, MR_STR(".sql")) && !named)
		return 0;
	for (size_t i = 0; i < found->len; i++)
		if (strcmp(found->items[i].path, path) == 0)
			return 0;
	struct mr_buf text = {0};
	const char *full = arena_printf(walk->arena, "%s/%s", walk->folder, path).ptr;
	int rc = disk_read_file(walk->disk, full, SQL_BYTES_MAX, &text, err);
	if (rc == 0)
		mr_vec_push(found, (struct conf_sql_file){path, arena_copy(walk->arena, mr_buf_view(&text))});
	mr_buf_release(&text);
	return rc;
}

static int load_pattern(struct walk *walk, mr_str pattern, sql_files *found, struct mr_error *err)
{
	const char *root = pattern_root(walk->arena, pattern);
	int rc = list_files(walk, root, err);
	for (size_t i = 0; i < walk->files.len && rc == 0; i++)
		if (conf_glob_match(pattern.ptr, walk->files.items[i]))
			rc = take_file(walk, walk->files.items[i], false, found, err);
	walk->files.len = 0;
	return rc;
}

static int load_library(struct walk *walk, struct project *project, const struct conf_library *library,
			sql_files *found, struct mr_error *err)
{
	bool wild = strpbrk(library->include.ptr, "*?") != NULL;
	int rc = wild ? load_pattern(walk, library->include, found, err)
		      : take_file(walk, library->include.ptr, true, found, err);
	if (rc < 0)
		mr_error_where(err, project->file, library->line, library->column);
	return rc;
}

int conf_load_sql_files(struct mr_disk *disk, struct project *project, struct mr_error *err)
{
	struct walk walk = {.disk = disk, .arena = &project->arena, .folder = project->folder};
	sql_files found = {0};
	int rc = 0;
	const char *usual = arena_printf(&project->arena, "%s/transformations", project->folder).ptr;
	if (project->library_count == 0 && disk_exists(disk, usual))
		rc = load_pattern(&walk, MR_STR("transformations/**"), &found, err);
	for (size_t i = 0; i < project->library_count && rc == 0; i++)
		rc = load_library(&walk, project, &project->libraries[i], &found, err);
	if (rc == 0 && found.len) {
		qsort(found.items, found.len, sizeof *found.items, by_path);
		project->sql_files = arena_calloc(&project->arena, found.len, sizeof *found.items);
		memcpy(project->sql_files, found.items, found.len * sizeof *found.items);
		project->sql_file_count = found.len;
	}
	mr_vec_release(&found);
	mr_vec_release(&walk.folders);
	mr_vec_release(&walk.files);
	return rc;
}
