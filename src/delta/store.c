/* delta/store.c - the log folder on a disk.
 *
 * A commit is put by writing a temporary file, syncing it, link(2) to its name and syncing
 * the folder: it is there whole or not at all, and of two writers exactly one wins. Who lost links the
 * same file to the next name, when its bytes are right there too. Temporary files (".commit.<uuid>.tmp")
 * that a crash leaves are nobody's: readers pass over them.
 */
#include "delta/internal.h"

#include <ctype.h>
#include <stdio.h>

char *delta_store_commit_path(const struct delta_table *table, int64_t version)
{
	return mr_asprintf("%s/%020lld.json", table->log_path, (long long)version);
}

int delta_store_read_commit(struct delta_table *table, int64_t version, struct mr_buf *out,
			    struct mr_error *err)
{
	char *path = delta_store_commit_path(table, version);
	int rc = disk_read_file(table->env->disk, path, COMMIT_BYTES_MAX, out, err);
	free(path);
	return rc;
}

static int write_temporary(struct delta_table *table, const char *path, mr_str bytes, bool sync,
			   struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(table->env->disk, path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_write_at(file, bytes.ptr, bytes.len, 0, err);
	if (rc == 0 && sync)
		rc = file_sync(file, err);
	file_close(file);
	return rc;
}

/* A file of that name, whole; MR_ERR_EXISTS when there is one. */
static int put_new(struct delta_table *table, const char *name, mr_str bytes, bool sync, struct mr_error *err)
{
	struct mr_disk *disk = table->env->disk;
	char uuid[37];
	rng_uuid(table->env->rng, uuid);
	char *path = mr_asprintf("%s/%s", table->log_path, name);
	char *temporary = mr_asprintf("%s/.%s.%s.tmp", table->log_path, name, uuid);
	int rc = write_temporary(table, temporary, bytes, sync, err);
	if (rc == 0)
		rc = disk_link(disk, temporary, path, err);
	/* Whatever came of it the temporary name is of no use any more. */
	int ignored = disk_unlink(disk, temporary, NULL);
	(void)ignored;
	if (rc == 0 && sync)
		rc = disk_sync_dir(disk, table->log_path, err);
	free(temporary);
	free(path);
	return rc;
}

void delta_store_unstage(struct delta_table *table, struct staged_commit *staged)
{
	if (staged->temporary) {
		int ignored = disk_unlink(table->env->disk, staged->temporary, NULL);
		(void)ignored;
	}
	free(staged->temporary);
	mr_buf_release(&staged->bytes);
	*staged = (struct staged_commit){0};
}

int delta_store_stage(struct delta_table *table, struct staged_commit *staged, mr_str bytes,
		      struct sync_list *with, struct mr_error *err)
{
	if (staged->temporary && !with->items.len && mr_str_eq(mr_buf_view(&staged->bytes), bytes))
		return 0;
	char uuid[37];
	delta_store_unstage(table, staged);
	rng_uuid(table->env->rng, uuid);
	char *path = mr_asprintf("%s/.commit.%s.tmp", table->log_path, uuid);
	int rc = write_temporary(table, path, bytes, false, err);
	if (rc == 0) {
		delta_sync_add(with, path);
		rc = delta_sync_run(with, err);
	}
	staged->temporary = path;
	if (rc < 0)
		delta_store_unstage(table, staged);
	else
		mr_buf_str(&staged->bytes, bytes);
	return rc;
}

int delta_store_put_commit(struct delta_table *table, int64_t version, struct staged_commit *staged,
			   struct mr_error *err)
{
	char *path = delta_store_commit_path(table, version);
	int rc = disk_link(table->env->disk, staged->temporary, path, err);
	if (rc != MR_ERR_EXISTS)
		delta_store_unstage(table, staged);
	if (rc == 0)
		rc = disk_sync_dir(table->env->disk, table->log_path, err);
	free(path);
	return rc;
}

int delta_store_put_checksum(struct delta_table *table, int64_t version, mr_str bytes, struct mr_error *err)
{
	char name[40];
	snprintf(name, sizeof name, "%020lld.crc", (long long)version);
	return put_new(table, name, bytes, false, err);
}

static void compacted_name(char out[64], int64_t from, int64_t to)
{
	snprintf(out, 64, "%020lld.%020lld.compacted.json", (long long)from, (long long)to);
}

int delta_store_put_compacted(struct delta_table *table, int64_t from, int64_t to, mr_str bytes,
			      struct mr_error *err)
{
	char name[64];
	compacted_name(name, from, to);
	return put_new(table, name, bytes, true, err);
}

int delta_store_read_compacted(struct delta_table *table, int64_t from, int64_t to, struct mr_buf *out,
			       struct mr_error *err)
{
	char name[64];
	compacted_name(name, from, to);
	char *path = mr_asprintf("%s/%s", table->log_path, name);
	int rc = disk_read_file(table->env->disk, path, COMMIT_BYTES_MAX, out, err);
	free(path);
	return rc;
}

int delta_store_sync_file(struct delta_table *table, const char *path, struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(table->env->disk, path, FILE_WRITE, &file, err);
	if (rc < 0)
		return rc;
	rc = file_sync(file, err);
	file_close(file);
	return rc;
}

/* ---- large files, in pieces ---- */

#define PIECE_BYTES ((size_t)1 << 20)
#define LINE_BYTES_MAX ((size_t)16 << 20)

/* The lines that are whole in the piece; at the file's end all of it. The rest stays. */
static int visit_piece(struct mr_buf *piece, bool last, size_t at, store_lines_fn fn, void *arg,
		       struct mr_error *err)
{
	const char *end = piece->len ? memrchr(piece->ptr, '\n', piece->len) : NULL;
	size_t len = last ? piece->len : end ? (size_t)(end - piece->ptr) + 1 : 0;
	int rc = len ? fn(arg, mr_str_n(piece->ptr, len), at, err) : 0;
	mr_buf_consume(piece, len);
	return rc;
}

static int visit_pieces(struct mr_file *file, const char *path, store_lines_fn fn, void *arg,
			struct mr_error *err)
{
	struct mr_buf piece = {0};
	size_t at = 0, got = 0;
	int rc;
	do {
		if (piece.len >= LINE_BYTES_MAX || at >= COMMIT_BYTES_MAX) {
			rc = mr_fail(err, MR_ERR_LIMIT, "%s is too long, or a line in it", path);
			break;
		}
		mr_buf_reserve(&piece, PIECE_BYTES);
		rc = file_read_at(file, piece.ptr + piece.len, PIECE_BYTES, (int64_t)at, &got, err);
		if (rc < 0)
			break;
		size_t begins = at - piece.len;
		piece.len += got;
		at += got;
		rc = visit_piece(&piece, got < PIECE_BYTES, begins, fn, arg, err);
	} while (rc == 0 && got == PIECE_BYTES);
	mr_buf_release(&piece);
	return rc;
}

int delta_store_visit_lines(struct delta_table *table, const char *path, store_lines_fn fn, void *arg,
			    struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(table->env->disk, path, FILE_READ, &file, err);
	if (rc < 0)
		return rc;
	rc = visit_pieces(file, path, fn, arg, err);
	file_close(file);
	return rc < 0 ? rc : 0;
}

/* ---- listing ---- */

/* Reads `digits` digits; false when there are others. */
static bool take_digits(const char **at, size_t digits, int64_t *out)
{
	int64_t value = 0;
	for (size_t i = 0; i < digits; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return false;
		if (value > (INT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (**at - '0');
	}
	*out = value;
	return true;
}

/* "UUID.json" or "UUID.parquet". */
static bool is_v2_name(const char *rest)
{
	size_t len = strspn(rest, "0123456789abcdefABCDEF-");
	return len == 36 && (strcmp(rest + len, ".json") == 0 || strcmp(rest + len, ".parquet") == 0);
}

static void note_checkpoint(struct delta_log_listing *listing, int64_t version, const char *name,
			    const char *rest)
{
	int64_t part = 0, parts = 0;
	bool known = strcmp(rest, "parquet") == 0 || is_v2_name(rest);
	if (!known)
		known = take_digits(&rest, 10, &part) && *rest++ == '.' && take_digits(&rest, 10, &parts) &&
			strcmp(rest, ".parquet") == 0 && part >= 1 && part <= parts && parts <= 100000;
	if (known)
		mr_vec_push(&listing->checkpoints,
			    (struct delta_log_part){version, (int)part, (int)parts, mr_strdup(name)});
}

static int note_name(void *arg, const char *name, const struct file_info *info)
{
	struct delta_log_listing *listing = arg;
	const char *at = name;
	int64_t version, to;
	if (info->is_dir || !take_digits(&at, 20, &version) || *at++ != '.')
		return 0;
	if (strcmp(at, "json") == 0)
		mr_vec_push(&listing->commits, (struct delta_log_version){version, *info});
	else if (strncmp(at, "checkpoint.", 11) == 0 && info->size > 0)
		note_checkpoint(listing, version, name, at + 11);
	else if (take_digits(&at, 20, &to) && strcmp(at, ".compacted.json") == 0 && to > version)
		mr_vec_push(&listing->compacted, (struct delta_log_range){version, to});
	return 0;
}

static int compare_versions(const void *a, const void *b)
{
	int64_t left = ((const struct delta_log_version *)a)->version;
	int64_t right = ((const struct delta_log_version *)b)->version;
	return (left > right) - (left < right);
}

static int compare_parts(const void *a, const void *b)
{
	const struct delta_log_part *left = a, *right = b;
	if (left->version != right->version)
		return left->version < right->version ? 1 : -1; /* newest first */
	if (left->parts != right->parts)
		return left->parts - right->parts;
	return left->part - right->part;
}

int delta_store_list(struct delta_table *table, struct delta_log_listing *out, struct mr_error *err)
{
	struct delta_log_listing listing = {0};
	int rc = disk_list(table->env->disk, table->log_path, note_name, &listing, err);
	if (rc < 0) {
		delta_log_listing_release(&listing);
		return rc;
	}
	if (listing.commits.len)
		qsort(listing.commits.items, listing.commits.len, sizeof *listing.commits.items,
		      compare_versions);
	if (listing.checkpoints.len)
		qsort(listing.checkpoints.items, listing.checkpoints.len, sizeof *listing.checkpoints.items,
		      compare_parts);
	*out = listing;
	return 0;
}

void delta_log_listing_release(struct delta_log_listing *listing)
{
	for (size_t i = 0; i < listing->checkpoints.len; i++)
		free(listing->checkpoints.items[i].name);
	mr_vec_release(&listing->checkpoints);
	mr_vec_release(&listing->commits);
	mr_vec_release(&listing->compacted);
}
