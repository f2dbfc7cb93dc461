#include "delta/delta_fixture.h"

#include "delta/internal.h"

/* Commits version `version` as another writer would: the raw lines. */
static void put_version(struct delta_fixture *f, int version, const char *text)
{
	FILE *file = fopen(test_path("%s/_delta_log/%020d.json", f->path, version), "w");
	CHECK(file);
	fputs(text, file);
	fclose(file);
}

/* Deletes rows of the table's only file with a vector, as version `version`. */
static void delete_rows(struct delta_fixture *f, int version, struct delta_bitmap *rows)
{
	struct delta_snapshot *s = delta_now(f);
	struct delta_data_file *files;
	CHECK_INT(delta_files(s, &f->arena, &files), 1);
	struct delta_dv dv;
	CHECK_OK(delta_dv_write(env_linux(), f->path, &rows, 1, &f->arena, &dv, &f->err), f->err);
	struct file_cursor cursor = file_cursor(s->files, s->entry_count);
	struct file_entry *before = delta_snapshot_next_file(s, &cursor);
	struct file_extra extra = {
	    .has_dv = true, .dv = dv, .base_row_id = -1, .default_row_commit_version = -1};
	struct file_entry after = *before;
	after.extra = &extra;
	struct mr_buf lines = {0};
	struct json_writer w = json_writer(&lines);
	mr_str path = delta_file_path(s->files, before, &f->arena);
	delta_file_add_write(&w, s->meta, &after, path, file_entry_stats(before), true);
	mr_buf_char(&lines, '\n');
	w = json_writer(&lines);
	delta_file_remove_write(&w, s->meta, before, path, 1, true);
	mr_buf_char(&lines, '\n');
	put_version(f, version, mr_buf_view(&lines).ptr);
	mr_buf_release(&lines);
	delta_snapshot_unref(s);
}

TEST(vectors_hide_rows_in_scans)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, s string", NULL);
	delta_append(&f, "SELECT range AS n, 'x' || range AS s FROM range(600000)");
	struct delta_bitmap *rows = delta_bitmap_new();
	for (uint64_t row = 0; row < 600000; row += 3)
		delta_bitmap_add(rows, row);
	delete_rows(&f, 2, rows);
	CHECK_NOW(&f, "count(*)", "400000");
	CHECK_NOW(&f, "count(*) FILTER (n % 3 = 0)", "0");
	CHECK_NOW(&f, "count(DISTINCT s)", "400000");
	struct delta_snapshot *s = delta_now(&f);
	CHECK_INT(delta_row_count(s), 400000);
	/* by file, with positions */
	struct delta_data_file *files;
	struct mr_buf sql = {0};
	size_t count = delta_files(s, &f.arena, &files);
	CHECK(files[0].dv && files[0].dv->cardinality == 200000);
	mr_buf_cstr(&sql, "SELECT count(*) FROM ");
	delta_scan_files_sql(s, files, count, &sql);
	mr_buf_cstr(&sql, " WHERE n = __mr_row AND __mr_file = 0");
	struct sql_result *r;
	CHECK_OK(sql_query(f.conn, mr_buf_view(&sql), &r, &f.err), f.err);
	CHECK_INT(sql_next(r, &f.err), 1);
	CHECK_INT(sql_int(r, 0), 400000);
	sql_result_free(r);
	mr_buf_release(&sql);
	delta_snapshot_unref(s);
	/* a second vector takes the first one's place; the version before stays as it was */
	delta_bitmap_add(rows, 1);
	delete_rows(&f, 3, rows);
	CHECK_NOW(&f, "count(*)", "399999");
	CHECK_OK(delta_snapshot_at(f.table, 2, &s, &f.err), f.err);
	CHECK_ROWS(&f, s, "count(*)", "400000");
	delta_snapshot_unref(s);
	/* and a checkpoint keeps it */
	CHECK_OK(delta_checkpoint(f.table, &f.err), f.err);
	delta_close(f.table);
	CHECK_OK(delta_open(env_linux(), f.engine, f.path, &f.table, &f.err), f.err);
	CHECK_NOW(&f, "count(*)", "399999");
	delta_bitmap_free(rows);
	delta_fixture_close(&f);
}

#define FIELD(name, type, physical, id) \
	"{\\\"name\\\":\\\"" name "\\\",\\\"type\\\":" type ",\\\"nullable\\\":true,\\\"metadata\\\":{" \
	"\\\"delta.columnMapping.id\\\":" id ",\\\"delta.columnMapping.physicalName\\\":\\\"" physical \
	"\\\"}}"
#define STRUCT_TYPE(fields) "{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[" fields "]}"
#define ARRAY_TYPE(element) \
	"{\\\"type\\\":\\\"array\\\",\\\"elementType\\\":" element ",\\\"containsNull\\\":true}"

static void put_mapped(struct delta_fixture *f, int version, const char *mode, const char *name)
{
	put_version(
	    f, version,
	    test_path(
		"{\"protocol\":{\"minReaderVersion\":2,\"minWriterVersion\":5}}\n"
		"{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
		"\"schemaString\":\"" STRUCT_TYPE(FIELD("%s", "\\\"long\\\"", "col-1", "1") "," FIELD(
		    "part", "\\\"string\\\"", "col-2",
		    "2") "," FIELD("nested",
				   ARRAY_TYPE(
				       STRUCT_TYPE(FIELD("inner", "\\\"integer\\\"", "col-4", "4") "," FIELD(
					   "other", "\\\"string\\\"", "col-5", "5"))),
				   "col-3", "3")) "\",\"partitionColumns\":[\"part\"],\"configuration\":{"
						  "\"delta.columnMapping.mode\":\"%s\","
						  "\"delta.columnMapping.maxColumnId\":\"5\"}}}\n",
		name, mode));
}

static void check_mapping(const char *mode)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	CHECK_OK(disk_mkdir_all(env_linux()->disk, test_path("%s/_delta_log", f.path), &f.err), f.err);
	put_mapped(&f, 0, mode, "number");
	delta_append(&f, "SELECT range AS number, 'p' || range % 2 AS part, "
			 "[{'inner': range::INTEGER, 'other': 'o'}, NULL] AS nested FROM range(10)");
	CHECK_NOW(&f,
		  "sum(number) || ' ' || min(part) || ' ' || sum(nested[1].inner) || ' ' || "
		  "count(nested[2])",
		  "45 p0 45 0");
	put_mapped(&f, 2, mode, "renamed column");
	CHECK_NOW(&f, "sum(\"renamed column\")", "45");
	/* what is stored goes by physical names and bears the ids */
	struct delta_snapshot *s = delta_now(&f);
	struct delta_data_file *files;
	CHECK_INT(delta_files(s, &f.arena, &files), 2);
	CHECK(strstr(files[0].stats.ptr, "\"col-1\":"));
	struct sql_result *r;
	CHECK_OK(sql_query(f.conn,
			   mr_str_from(
			       test_path("SELECT string_agg(name || ':' || field_id, ' ' ORDER BY field_id) "
					 "FROM parquet_schema('%s/%.*s') WHERE field_id IS NOT NULL",
					 f.path, MR_FMT(files[0].path))),
			   &r, &f.err),
		 f.err);
	CHECK_INT(sql_next(r, &f.err), 1);
	CHECK_STR(sql_str(r, 0), "col-1:1 col-3:3 col-4:4 col-5:5");
	sql_result_free(r);
	delta_snapshot_unref(s);
	delta_fixture_close(&f);
}

TEST(mapping_by_name_reads_and_writes)
{
	check_mapping("name");
}

TEST(mapping_by_id_reads_and_writes)
{
	check_mapping("id");
}
