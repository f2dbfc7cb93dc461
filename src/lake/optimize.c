/* lake/optimize.c - OPTIMIZE t [FULL] [WHERE partitions] [ZORDER BY (a, b)]: small files into large ones.
 *
 * Files of a partition are packed, smallest first, into bins of the target size
 * (delta.targetFileSize, else 1 GiB); a bin of two files or more becomes one file. ZORDER BY takes
 * every file and sorts the rows along a curve through the columns' ranks, so that each file covers
 * a small box. A table that is clustered (CLUSTER BY) is sorted the same way along its clustering columns:
 * files that are not sorted yet, and small ones; all of them with FULL. The rows stay the same:
 * dataChange=false, which streams pass over.
 */
#include "lake/change.h"
#include "lake/cluster.h"

#define TARGET_BYTES_DEFAULT ((int64_t)1 << 30)
#define ZORDER_BITS 10
#define ZORDER_COLUMNS_MAX 6

struct packing {
	struct change *c;
	size_t *order; /* indexes of files: by partition, then by size */
	size_t count;
	int64_t target, small; /* files from `small` on stay as they are */
	mr_str *zorder;
	size_t zorder_count;
	bool all;     /* every file, alone in its bin too */
	bool sorting; /* files along the clustering columns */
	size_t partitions;
};

static int compare_partitions(const struct packing *k, size_t a, size_t b)
{
	const struct delta_data_file *left = &k->c->files[a], *right = &k->c->files[b];
	for (size_t i = 0; i < k->partitions; i++) {
		mr_str x = left->partition_values[i], y = right->partition_values[i];
		size_t n = mr_min_size(x.len, y.len);
		int order = n ? memcmp(x.ptr, y.ptr, n) : 0;
		if (!order)
			order = (x.len > y.len) - (x.len < y.len);
		if (order)
			return order;
	}
	return 0;
}

static int compare_files(const void *a, const void *b, void *arg)
{
	const struct packing *k = arg;
	size_t left = *(const size_t *)a, right = *(const size_t *)b;
	int order = compare_partitions(k, left, right);
	int64_t x = k->c->files[left].size, y = k->c->files[right].size;
	return order ? order : (x > y) - (x < y);
}

/* 10 bits of each column's rank, interleaved. */
static void put_zorder(const struct packing *k, struct mr_buf *out)
{
	mr_buf_cstr(out, " ORDER BY (0");
	for (size_t bit = 0; bit < ZORDER_BITS; bit++)
		for (size_t i = 0; i < k->zorder_count; i++)
			mr_buf_printf(out, " + (((__mr_z%zu >> %zu) & 1) << %zu)", i, bit,
				      bit * k->zorder_count + i);
	mr_buf_char(out, ')');
}

static int write_bin(const struct packing *k, const size_t *files, size_t count, struct mr_error *err)
{
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT ");
	change_columns(k->c, "", &sql);
	mr_buf_cstr(&sql, " FROM ");
	if (k->zorder_count) {
		mr_buf_cstr(&sql, "(SELECT *");
		for (size_t i = 0; i < k->zorder_count; i++) {
			mr_buf_printf(&sql, ", CAST(ntile(%d) OVER (ORDER BY ", 1 << ZORDER_BITS);
			sql_quote_name(&sql, k->zorder[i]);
			mr_buf_printf(&sql, ") - 1 AS BIGINT) AS __mr_z%zu", i);
		}
		mr_buf_cstr(&sql, " FROM ");
	}
	change_scan(k->c, files, count, &sql);
	mr_buf_cstr(&sql, k->zorder_count ? " AS f) AS z" : " AS f");
	if (k->zorder_count)
		put_zorder(k, &sql);
	size_t before = k->c->added.len;
	int rc = change_add_rows(k->c, mr_buf_view(&sql), err);
	mr_buf_release(&sql);
	for (size_t i = before; i < k->c->added.len; i++)
		k->c->added.items[i].clustered = k->sorting;
	for (size_t i = 0; i < count; i++)
		change_remove(k->c, files[i]);
	return rc;
}

static bool is_work_alone(const struct packing *k, size_t file)
{
	return k->all || (k->sorting && !k->c->files[file].clustered);
}

static int pack(const struct packing *k, struct mr_error *err)
{
	int rc = 0;
	for (size_t first = 0, next; first < k->count && rc == 0; first = next) {
		int64_t bytes = 0;
		for (next = first; next < k->count; next++) {
			int64_t size = k->c->files[k->order[next]].size;
			if (next > first && (bytes + size > k->target ||
					     compare_partitions(k, k->order[first], k->order[next])))
				break;
			bytes += size;
		}
		if (next - first > 1 || is_work_alone(k, k->order[first]))
			rc = write_bin(k, &k->order[first], next - first, err);
	}
	return rc;
}

/* "128mb", "1g", "1048576" */
static int64_t target_bytes(const struct change *c)
{
	mr_str text = delta_property(c->base, "delta.targetFileSize");
	int64_t value = 0;
	size_t i = 0;
	for (; i < text.len && text.ptr[i] >= '0' && text.ptr[i] <= '9' && value < (int64_t)1 << 40; i++)
		value = value * 10 + (text.ptr[i] - '0');
	char unit = i < text.len ? (char)(text.ptr[i] | 32) : 0;
	int shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
	return value > 0 ? value << shift : TARGET_BYTES_DEFAULT;
}

static int choose(struct packing *k, mr_str where, struct mr_error *err)
{
	struct change *c = k->c;
	mr_str condition;
	const mr_str *names;
	k->partitions = delta_partition_columns(c->base, &names);
	k->order = arena_alloc(&c->s->arena, (c->file_count + 1) * sizeof *k->order);
	if (where.len) {
		int rc = lake_expression(c->s, where, &condition, err);
		if (rc == 0)
			rc = change_find_partitions(c, condition, &k->order, &k->count);
		if (rc == 1)
			rc = mr_fail(err, MR_ERR_INVALID, "OPTIMIZE ... WHERE takes partition columns only");
		if (rc < 0)
			return rc;
	} else {
		for (size_t i = 0; i < c->file_count; i++)
			k->order[k->count++] = i;
	}
	size_t kept = 0;
	for (size_t i = 0; i < k->count; i++)
		if (is_work_alone(k, k->order[i]) || c->files[k->order[i]].size < k->small)
			k->order[kept++] = k->order[i];
	k->count = kept;
	qsort_r(k->order, k->count, sizeof *k->order, compare_files, k);
	return 0;
}

struct outcome {
	int64_t removed, added, removed_bytes, added_bytes;
};

static int optimize(struct packing *k, mr_str where, struct outcome *out, struct mr_error *err)
{
	struct change *c = k->c;
	if (k->zorder_count > ZORDER_COLUMNS_MAX)
		return mr_fail(err, MR_ERR_LIMIT, "ZORDER BY takes at most %d columns", ZORDER_COLUMNS_MAX);
	c->rearranges = true;
	int rc = choose(k, where, err);
	if (rc == 0)
		rc = pack(k, err);
	if (rc < 0)
		return rc;
	*out = (struct outcome){.added = (int64_t)c->added.len};
	for (size_t i = 0; i < c->file_count; i++)
		if (c->removed[i])
			out->removed++, out->removed_bytes += c->files[i].size;
	for (size_t i = 0; i < c->added.len; i++)
		out->added_bytes += c->added.items[i].size;
	change_metric(c, "numRemovedFiles", out->removed);
	change_metric(c, "numAddedFiles", out->added);
	change_metric(c, "numRemovedBytes", out->removed_bytes);
	change_metric(c, "numAddedBytes", out->added_bytes);
	return change_commit(c, "OPTIMIZE", "{}", err);
}

/* A clustered table is sorted along its own columns, by whoever packs it. */
static int read_clustering(struct packing *k, struct mr_error *err)
{
	struct clustering clustering;
	int rc = cluster_read(k->c->table, k->c->base, &k->c->s->arena, &clustering, err);
	if (rc < 0 || !clustering.count)
		return rc;
	if (k->zorder_count)
		return mr_fail(
		    err, MR_ERR_INVALID,
		    "DELTA_CLUSTERING_WITH_ZORDER_BY: a clustered table is sorted along its own columns: "
		    "OPTIMIZE without ZORDER BY");
	k->zorder = clustering.names;
	k->zorder_count = clustering.count;
	k->sorting = true;
	return 0;
}

static int check_words(const struct packing *k, bool full, mr_str where, struct mr_error *err)
{
	if (k->sorting && where.len)
		return mr_fail(
		    err, MR_ERR_INVALID,
		    "DELTA_CLUSTERING_WITH_PARTITION_PREDICATE: a clustered table has no partitions");
	if (full && !k->sorting)
		return mr_fail(err, MR_ERR_INVALID,
			       "OPTIMIZE ... FULL is for tables with clustering columns");
	return 0;
}

static void put_report(const struct change *c, const struct outcome *done, struct mr_buf *report)
{
	mr_buf_cstr(report, "SELECT ");
	sql_quote_literal(report, mr_str_from(delta_name(c->table)));
	mr_buf_printf(report,
		      " AS path, CAST(%lld AS BIGINT) AS files_added, CAST(%lld AS BIGINT) AS "
		      "files_removed, CAST(%lld AS BIGINT) AS bytes_added, CAST(%lld AS BIGINT) AS "
		      "bytes_removed",
		      (long long)done->added, (long long)done->removed, (long long)done->added_bytes,
		      (long long)done->removed_bytes);
}

int lake_compact(struct lake_session *session, struct delta_table *table, const struct lake_compaction *how,
		 struct mr_error *err)
{
	struct change c;
	struct outcome done;
	int rc = change_open(&c, session, table, err);
	if (rc < 0)
		return rc;
	struct packing k = {.c = &c, .target = how->target_bytes, .small = how->small_bytes};
	rc = read_clustering(&k, err);
	if (rc == 0)
		k.sorting = false; /* single files stay: the next OPTIMIZE sorts them */
	if (rc == 0)
		rc = optimize(&k, MR_STR(""), &done, err);
	change_close(&c);
	return rc < 0 ? rc : done.removed == 0;
}

int lake_optimize(struct lake_session *s, struct parser *p, struct mr_buf *report)
{
	static const char *const stops[] = {"zorder", NULL};
	struct table_name name;
	struct delta_table *table;
	struct change c;
	struct packing k = {.c = &c};
	struct outcome done;
	mr_str where = MR_STR("");
	int rc = parser_table(p, &name);
	bool full = rc == 0 && parser_take(p, "full");
	if (rc == 0 && parser_take(p, "where"))
		rc = parser_stretch(p, stops, "a condition", &where);
	if (rc == 0 && parser_take(p, "zorder by"))
		rc = parser_names(p, &k.zorder, &k.zorder_count);
	if (rc == 0)
		rc = parser_end(p);
	if (rc == 0)
		rc = lake_resolve(s, &name, false, &table, p->err);
	if (rc == 1)
		rc = mr_fail(p->err, MR_ERR_NOT_FOUND, "there is no Delta table %.*s", MR_FMT(name.text));
	if (rc == 0)
		rc = change_open(&c, s, table, p->err);
	if (rc < 0)
		return rc;
	k.target = k.small = target_bytes(&c);
	k.all = full || k.zorder_count;
	rc = read_clustering(&k, p->err);
	if (rc == 0)
		rc = check_words(&k, full, where, p->err);
	if (rc == 0)
		rc = optimize(&k, where, &done, p->err);
	if (rc == 0)
		put_report(&c, &done, report);
	change_close(&c);
	return rc < 0 ? rc : 1;
}
