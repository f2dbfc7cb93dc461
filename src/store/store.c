/* store/store.c - what is said of any store in terms of its vtable. */
#include "store/store.h"

#define DOWNLOAD_PIECE ((size_t)16 << 20)

int store_get(struct store *store, const char *key, int64_t at, size_t limit, struct mr_buf *out,
	      struct mr_error *err)
{
	return store->ops->get(store, key, at, limit, out, err);
}

int store_head(struct store *store, const char *key, struct store_info *out, struct mr_error *err)
{
	return store->ops->head(store, key, out, err);
}

int store_put(struct store *store, const char *key, mr_str bytes, struct mr_error *err)
{
	return store->ops->put(store, key, bytes, false, err);
}

int store_put_if_absent(struct store *store, const char *key, mr_str bytes, struct mr_error *err)
{
	return store->ops->put(store, key, bytes, true, err);
}

int store_upload(struct store *store, const char *key, struct mr_disk *from, const char *path,
		 struct mr_error *err)
{
	return store->ops->upload(store, key, from, path, err);
}

static int copy_pieces(struct store *store, const char *key, struct mr_file *file, struct mr_error *err)
{
	struct mr_buf piece = {0};
	int64_t at = 0;
	int rc;
	do {
		mr_buf_clear(&piece);
		rc = store_get(store, key, at, DOWNLOAD_PIECE, &piece, err);
		if (rc == 0 && piece.len)
			rc = file_write_at(file, piece.ptr, piece.len, at, err);
		at += (int64_t)piece.len;
	} while (rc == 0 && piece.len == DOWNLOAD_PIECE);
	mr_buf_release(&piece);
	return rc;
}

int store_download(struct store *store, const char *key, struct mr_disk *to, const char *path,
		   struct mr_error *err)
{
	struct mr_file *file;
	int rc = disk_open(to, path, FILE_WRITE | FILE_CREATE | FILE_TRUNCATE, &file, err);
	if (rc < 0)
		return rc;
	rc = copy_pieces(store, key, file, err);
	file_close(file);
	return rc;
}

int store_list(struct store *store, const char *prefix, const char *after, store_list_fn fn, void *arg,
	       struct mr_error *err)
{
	return store->ops->list(store, prefix, after, fn, arg, err);
}

int store_remove(struct store *store, const char *key, struct mr_error *err)
{
	return store->ops->remove(store, key, err);
}

void store_free(struct store *store)
{
	if (store)
		store->ops->free(store);
}
