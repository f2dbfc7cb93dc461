#include "api/watch.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/vec.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <unistd.h>

#define SETTLE_MS 100 /* an editor writes a file in several steps */
#define DEPTH_MAX 8   /* of folders of DAG files */
#define FOLDERS_MAX 100000
#define DELTA_LOG "_delta_log"
#define CHANGES (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ONLYDIR)
#define COMMITS (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_ONLYDIR)

enum folder_kind { FOLDER_DAGS, FOLDER_TABLES, FOLDER_LOG };

struct folder {
	int wd;
	enum folder_kind kind;
	int depth;
	char *path;
	char *uri; /* of a FOLDER_LOG */
};

struct watch {
	struct watch_options options;
	char *dags, *tables;
	int inotify, stop;
	pthread_t thread;
	MR_VEC(struct folder) folders;
};

static struct folder *find(struct watch *w, int wd)
{
	for (size_t i = 0; i < w->folders.len; i++) {
		if (w->folders.items[i].wd == wd)
			return &w->folders.items[i];
	}
	return NULL;
}

/* False: it cannot be watched, or is already. */
static bool add(struct watch *w, enum folder_kind kind, int depth, const char *path, uint32_t mask)
{
	if (w->folders.len >= FOLDERS_MAX)
		return false;
	int wd = inotify_add_watch(w->inotify, path, mask);
	if (wd < 0 && errno != ENOENT && errno != ENOTDIR)
		mr_warn("dags", "cannot watch %s: %s", path, strerror(errno));
	if (wd < 0 || find(w, wd))
		return false;
	mr_vec_push(&w->folders, (struct folder){wd, kind, depth, mr_strdup(path), NULL});
	return true;
}

static void forget(struct watch *w, int wd)
{
	struct folder *folder = find(w, wd);
	if (!folder)
		return;
	free(folder->path);
	free(folder->uri);
	mr_vec_remove(&w->folders, (size_t)(folder - w->folders.items));
}

/* ---- Delta logs ---- */

/* 00000000000000000007.json: 7; else -1. */
static int64_t version_of(const char *name)
{
	size_t digits = strspn(name, "0123456789");
	return digits == 20 && strcmp(name + digits, ".json") == 0 ? strtoll(name, NULL, 10) : -1;
}

static int64_t newest_version(const char *path)
{
	int64_t newest = -1;
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));)
		newest = mr_max_i64(newest, version_of(entry->d_name));
	if (dir)
		closedir(dir);
	return newest;
}

static void add_log(struct watch *w, const char *path, const char *table, bool first)
{
	if (!add(w, FOLDER_LOG, 0, path, COMMITS))
		return;
	struct folder *folder = &w->folders.items[w->folders.len - 1];
	folder->uri = mr_asprintf("delta://%s", table + strlen(w->tables) + 1);
	int64_t version = newest_version(path);
	if (version >= 0)
		w->options.committed(w->options.arg, mr_str_from(folder->uri), version, first);
}

static void add_tables(struct watch *w, const char *path, int depth, bool first)
{
	char *log = mr_asprintf("%s/" DELTA_LOG, path);
	bool watched = add(w, FOLDER_TABLES, depth, path, CHANGES);
	bool table = depth > 0 && access(log, F_OK) == 0;
	if (table)
		add_log(w, log, path, first);
	free(log);
	DIR *dir = watched && !table && depth < 2 ? opendir(path) : NULL;
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' || entry->d_name[0] == '_' ||
		    (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		char *below = mr_asprintf("%s/%s", path, entry->d_name);
		add_tables(w, below, depth + 1, first);
		free(below);
	}
	if (dir)
		closedir(dir);
}

/* ---- DAG files ---- */

static void add_dags(struct watch *w, const char *path, int depth)
{
	if (!add(w, FOLDER_DAGS, depth, path, CHANGES) || depth >= DEPTH_MAX)
		return;
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		if (entry->d_name[0] == '.' || (entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN))
			continue;
		char *below = mr_asprintf("%s/%s", path, entry->d_name);
		add_dags(w, below, depth + 1);
		free(below);
	}
	if (dir)
		closedir(dir);
}

/* ---- the thread ---- */

static void new_folder(struct watch *w, enum folder_kind kind, int depth, const char *parent,
		       const char *name)
{
	char *path = mr_asprintf("%s/%s", parent, name);
	if (kind == FOLDER_DAGS)
		add_dags(w, path, depth + 1);
	else if (strcmp(name, DELTA_LOG) == 0)
		add_log(w, path, parent, false);
	else if (depth < 2 && name[0] != '.' && name[0] != '_')
		add_tables(w, path, depth + 1, false);
	free(path);
}

/* Returns whether DAG files may have changed. */
static bool take_event(struct watch *w, const struct inotify_event *event)
{
	if (event->mask & IN_Q_OVERFLOW) {
		mr_warn("dags", "too many file events at once: looking at everything again");
		for (size_t i = 0; i < w->folders.len; i++) {
			const struct folder *folder = &w->folders.items[i];
			if (folder->kind == FOLDER_LOG)
				w->options.committed(w->options.arg, mr_str_from(folder->uri),
						     newest_version(folder->path), false);
		}
		return true;
	}
	if (event->mask & IN_IGNORED) {
		forget(w, event->wd);
		return false;
	}
	const struct folder *folder = find(w, event->wd);
	if (!folder || !event->len)
		return false;
	enum folder_kind kind = folder->kind;
	if (kind == FOLDER_LOG) {
		int64_t version = version_of(event->name);
		if (version >= 0)
			w->options.committed(w->options.arg, mr_str_from(folder->uri), version, false);
	} else if (event->mask & IN_ISDIR && event->mask & (IN_CREATE | IN_MOVED_TO)) {
		new_folder(w, kind, folder->depth, folder->path, event->name);
	}
	return kind == FOLDER_DAGS;
}

static bool read_events(struct watch *w)
{
	_Alignas(struct inotify_event) char bytes[64 * 1024];
	bool dags = false;
	ssize_t n = read(w->inotify, bytes, sizeof bytes);
	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *event = (const struct inotify_event *)(bytes + at);
		dags |= take_event(w, event);
		at += (ssize_t)(sizeof *event + event->len);
	}
	return dags;
}

static void *run(void *arg)
{
	struct watch *w = arg;
	bool changed = false;
	struct pollfd fds[] = {{.fd = w->inotify, .events = POLLIN}, {.fd = w->stop, .events = POLLIN}};
	for (;;) {
		int n = poll(fds, 2, changed ? SETTLE_MS : -1);
		if (fds[1].revents)
			return NULL;
		if (n > 0) {
			changed |= read_events(w);
		} else if (n == 0 && changed) {
			changed = false;
			w->options.files_changed(w->options.arg);
		}
	}
}

int watch_new(const struct watch_options *options, struct watch **out, struct mr_error *err)
{
	struct watch *w = mr_calloc(1, sizeof *w);
	w->options = *options;
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->stop = eventfd(0, EFD_CLOEXEC);
	if (w->inotify < 0 || w->stop < 0) {
		int rc = mr_fail_errno(err, "cannot watch files (inotify)");
		close(w->inotify);
		close(w->stop);
		free(w);
		return rc;
	}
	w->dags = mr_strdup(options->dags);
	w->tables = options->tables ? mr_strdup(options->tables) : NULL;
	add_dags(w, w->dags, 0);
	if (w->tables)
		add_tables(w, w->tables, 0, true);
	pthread_create(&w->thread, NULL, run, w);
	*out = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	uint64_t one = 1;
	(void)!write(w->stop, &one, sizeof one);
	pthread_join(w->thread, NULL);
	while (w->folders.len)
		forget(w, w->folders.items[w->folders.len - 1].wd);
	mr_vec_release(&w->folders);
	close(w->inotify);
	close(w->stop);
	free(w->dags);
	free(w->tables);
	free(w);
}
