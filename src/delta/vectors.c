/* delta/vectors.c - deletion vectors in scans: the SQL function delta_row_is_live.
 *
 *   delta_row_is_live('<which vectors>', file_index, file_row_number)
 *
 * The text says which files of the scan have a vector and where it is, so that a statement
 * needs nothing but itself; the vectors are read when it is bound and live as long as its plan.
 *
 *   TABLE'S FOLDER \n  { FILE INDEX ' ' STORAGE ' ' OFFSET ' ' SIZE ' ' CARDINALITY ' ' DATA \n }
 */
#include "delta/vectors.h"

#include "base/vec.h"
#include "delta/dv.h"

#include <stdio.h>
#include <stdlib.h>

#define FILES_MAX 10000000

struct vectors {
	MR_VEC(struct delta_bitmap *) of_file; /* NULL: all its rows live */
};

void delta_vectors_begin(struct mr_buf *spec, const char *table_path)
{
	mr_buf_cstr(spec, table_path);
	mr_buf_char(spec, '\n');
}

void delta_vectors_add(struct mr_buf *spec, size_t file, const struct delta_dv *dv)
{
	mr_buf_printf(spec, "%zu %c %lld %lld %lld %.*s\n", file, dv->storage, (long long)dv->offset,
		      (long long)dv->size, (long long)dv->cardinality, MR_FMT(dv->data));
}

static mr_str take_line(mr_str *text)
{
	const char *end = memchr(text->ptr, '\n', text->len);
	mr_str line = mr_str_n(text->ptr, end ? (size_t)(end - text->ptr) : text->len);
	*text = mr_str_tail(*text, line.len + 1);
	return line;
}

static bool parse_line(mr_str line, size_t *file, struct delta_dv *dv)
{
	long long offset, size, cardinality;
	int used = 0;
	char *copy = mr_strndup(line);
	bool good = sscanf(copy, "%zu %c %lld %lld %lld %n", file, &dv->storage, &offset, &size, &cardinality,
			   &used) == 5 &&
		    used > 0 && *file < FILES_MAX;
	free(copy);
	if (!good)
		return false;
	dv->offset = offset;
	dv->size = size;
	dv->cardinality = cardinality;
	dv->data = mr_str_tail(line, (size_t)used);
	return true;
}

static void unbind(void *arg)
{
	struct vectors *vectors = arg;
	for (size_t i = 0; i < vectors->of_file.len; i++)
		delta_bitmap_free(vectors->of_file.items[i]);
	mr_vec_release(&vectors->of_file);
	free(vectors);
}

static int bind(void *arg, mr_str spec, void **bound, struct mr_error *err)
{
	const struct env *env = arg;
	struct vectors *vectors = mr_calloc(1, sizeof *vectors);
	char *path = mr_strndup(take_line(&spec));
	int rc = 0;
	while (spec.len && rc == 0) {
		struct delta_dv dv;
		struct delta_bitmap *bitmap;
		size_t file;
		if (!parse_line(take_line(&spec), &file, &dv))
			rc = mr_fail(err, MR_ERR_INVALID, "that names no deletion vectors");
		if (rc == 0)
			rc = delta_dv_read(env, path, &dv, &bitmap, err);
		if (rc < 0)
			break;
		while (vectors->of_file.len <= file)
			mr_vec_push(&vectors->of_file, NULL);
		delta_bitmap_free(vectors->of_file.items[file]);
		vectors->of_file.items[file] = bitmap;
	}
	free(path);
	if (rc < 0) {
		unbind(vectors);
		return rc;
	}
	*bound = vectors;
	return 0;
}

static void probe(void *bound, const int64_t *files, const int64_t *rows, size_t count, bool *out)
{
	const struct vectors *vectors = bound;
	for (size_t i = 0; i < count; i++) {
		const struct delta_bitmap *bitmap =
		    (size_t)files[i] < vectors->of_file.len ? vectors->of_file.items[files[i]] : NULL;
		out[i] = !bitmap || !delta_bitmap_has(bitmap, (uint64_t)rows[i]);
	}
}

int delta_vectors_install(const struct env *env, struct sql_engine *engine, struct mr_error *err)
{
	struct sql_filter filter = {.name = "delta_row_is_live",
				    .arg = (void *)(uintptr_t)env,
				    .bind = bind,
				    .probe = probe,
				    .unbind = unbind};
	return sql_register_filter(engine, &filter, err);
}
