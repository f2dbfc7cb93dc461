/* lake/mark.c - rows that go by deletion vectors: their files stay, with a new vector each.
 *
 * A file of which no row stays goes whole. The new vector holds what the old one held and is committed
 * as remove + add of the same path; the add's statistics keep numRecords, the rows in the file, and
 * say that their bounds are no longer tight (protocol, "Per-file Statistics").
 */
#include "codec/json.h"
#include "lake/change.h"

struct marking {
	struct change *c;
	struct delta_bitmap **bitmaps; /* by index into files; NULL: nothing of it goes */
	size_t *files;                 /* those that get a vector */
	size_t count;
};

bool change_can_mark(const struct change *c, const size_t *chosen, size_t count)
{
	bool can = mr_str_is(delta_property(c->base, "delta.enableDeletionVectors"), "true");
	for (size_t i = 0; i < count; i++)
		can &= c->files[chosen[i]].rows >= 0; /* numRecords has to be known */
	return can;
}

static int collect(struct marking *m, mr_str query, const size_t *of, struct mr_error *err)
{
	struct sql_result *result = NULL;
	int rc = sql_query(m->c->s->conn, query, &result, err);
	while (rc >= 0 && (rc = sql_next(result, err)) == 1) {
		size_t file = (size_t)sql_int(result, 0);
		struct delta_bitmap **bitmap = &m->bitmaps[of ? of[file] : file];
		if (!*bitmap)
			*bitmap = delta_bitmap_new();
		delta_bitmap_add(*bitmap, (uint64_t)sql_int(result, 1));
	}
	sql_result_free(result);
	return rc;
}

static int64_t rows_in_file(const struct delta_data_file *file)
{
	return file->rows + (file->dv ? file->dv->cardinality : 0);
}

/* What an older vector says stays said. Files without a row left leave the list. */
static int join_with_old(struct marking *m, struct mr_error *err)
{
	struct change *c = m->c;
	for (size_t i = 0; i < c->file_count; i++) {
		struct delta_bitmap *bitmap = m->bitmaps[i], *old;
		if (!bitmap)
			continue;
		if (c->files[i].dv) {
			int rc = delta_dv_read(c->s->lake->options.env, delta_path(c->table), c->files[i].dv,
					       &old, err);
			if (rc < 0)
				return rc;
			delta_bitmap_or(bitmap, old);
			delta_bitmap_free(old);
		}
		change_remove(c, i);
		if (delta_bitmap_count(bitmap) < (uint64_t)rows_in_file(&c->files[i]))
			m->files[m->count++] = i;
	}
	return 0;
}

static mr_str loosened(struct json_parser *parser, mr_str stats, int64_t rows, struct arena *arena)
{
	struct mr_buf out = {0};
	struct json_writer w = json_writer(&out);
	struct json_value value;
	json_begin_object(&w);
	json_member_int(&w, "numRecords", rows);
	json_member_bool(&w, "tightBounds", false);
	if (stats.len && json_parse(parser, stats, &value, NULL) == 0)
		for (struct json_iter it = json_iter(value); json_next(&it);) {
			if (mr_str_is(it.key, "numRecords") || mr_str_is(it.key, "tightBounds"))
				continue;
			struct mr_buf member = {0};
			json_write_value(&member, it.value);
			json_key_str(&w, it.key);
			json_put_raw(&w, mr_buf_view(&member));
			mr_buf_release(&member);
		}
	json_end_object(&w);
	mr_str text = arena_copy(arena, mr_buf_view(&out));
	mr_buf_release(&out);
	return text;
}

static int write_vectors(struct marking *m, struct mr_error *err)
{
	struct change *c = m->c;
	struct arena *arena = &c->s->arena;
	struct delta_bitmap **bitmaps = arena_alloc(arena, (m->count + 1) * sizeof *bitmaps);
	struct delta_dv *vectors = arena_alloc(arena, (m->count + 1) * sizeof *vectors);
	for (size_t i = 0; i < m->count; i++)
		bitmaps[i] = m->bitmaps[m->files[i]];
	if (!m->count)
		return 0;
	int rc = delta_dv_write(c->s->lake->options.env, delta_path(c->table), bitmaps, m->count, arena,
				vectors, err);
	if (rc < 0)
		return rc;
	struct json_parser *parser = json_parser_new();
	for (size_t i = 0; i < m->count; i++) {
		const struct delta_data_file *file = &c->files[m->files[i]];
		struct delta_file again = {.path = file->path,
					   .partition_values = (mr_str *)(uintptr_t)file->partition_values,
					   .size = file->size,
					   .rows = rows_in_file(file) - vectors[i].cardinality,
					   .stats_json =
					       loosened(parser, file->stats, rows_in_file(file), arena),
					   .dv = &vectors[i]};
		mr_vec_push(&c->marked, again);
	}
	json_parser_free(parser);
	return 0;
}

int change_mark(struct change *c, mr_str query, const size_t *of, struct mr_error *err)
{
	struct arena *arena = &c->s->arena;
	struct marking m = {.c = c,
			    .bitmaps = arena_calloc(arena, c->file_count + 1, sizeof *m.bitmaps),
			    .files = arena_alloc(arena, (c->file_count + 1) * sizeof *m.files)};
	int rc = collect(&m, query, of, err);
	if (rc == 0)
		rc = join_with_old(&m, err);
	if (rc == 0)
		rc = write_vectors(&m, err);
	for (size_t i = 0; i < c->file_count; i++)
		delta_bitmap_free(m.bitmaps[i]);
	return rc;
}
