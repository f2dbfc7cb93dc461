/* delta/sync.c - what a version needs on the disk before it gets its name, synced in one round.
 *
 * A version's files, the folders that name them and the commit itself may come to the disk in any order:
 * nothing names them yet. So small files are left to their commit, which syncs them with its own bytes
 * (env/disk_sync.c: at the same time, which a journaling file system makes one transaction of). Large ones
 * are synced by whoever wrote them, without the table's lock; so are those of a disk on which a sync is an
 * upload.
 */
#include "delta/internal.h"

#define LATER_BYTES_MAX ((int64_t)1 << 20)

void delta_sync_init(struct sync_list *list, const struct delta_table *table)
{
	*list = (struct sync_list){.table = table};
}

void delta_sync_release(struct sync_list *list)
{
	mr_vec_release(&list->items);
	mr_map_release(&list->folders);
	arena_release(&list->arena);
}

static void add_folder(struct sync_list *list, mr_str path)
{
	if (mr_map_put(&list->folders, path, list))
		return;
	path = arena_copy(&list->arena, path);
	mr_vec_push(&list->items, (struct disk_sync){.path = path.ptr, .is_folder = true});
}

void delta_sync_add(struct sync_list *list, const char *path)
{
	mr_str copy = arena_copy(&list->arena, mr_str_from(path));
	mr_vec_push(&list->items, (struct disk_sync){.path = copy.ptr});
}

void delta_sync_add_file(struct sync_list *list, mr_str relative)
{
	mr_str path = arena_printf(&list->arena, "%s/%.*s", list->table->path, MR_FMT(relative));
	size_t root = strlen(list->table->path);
	mr_vec_push(&list->items, (struct disk_sync){.path = path.ptr});
	for (size_t i = path.len; i-- > root;)
		if (path.ptr[i] == '/')
			add_folder(list, mr_str_n(path.ptr, i));
}

int delta_sync_run(struct sync_list *list, struct mr_error *err)
{
	return disk_sync_all(list->table->env->disk, list->items.items, list->items.len, err);
}

bool delta_sync_later(const struct delta_table *table, const struct delta_file *files, size_t count)
{
	int64_t bytes = 0;
	for (size_t i = 0; i < count; i++)
		bytes += files[i].size;
	return bytes <= LATER_BYTES_MAX && !table->env->disk->ops->fetch;
}

static void add_unsynced(struct sync_list *list, const struct delta_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (files[i].unsynced)
			delta_sync_add_file(list, files[i].path);
}

void delta_sync_add_commits(struct sync_list *list, const struct delta_commit *const *commits, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		add_unsynced(list, commits[i]->files, commits[i]->file_count);
		add_unsynced(list, commits[i]->cdc, commits[i]->cdc_count);
	}
}
