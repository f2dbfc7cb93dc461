#include "delta/delta_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROTOCOL "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define METADATA \
	"{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":" \
	"\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"long\\\"," \
	"\\\"nullable\\\":true,\\\"metadata\\\":{}}]}\",\"partitionColumns\":[],\"configuration\":{}}}\n"
#define ADD(path) \
	"{\"add\":{\"path\":\"" path "\",\"partitionValues\":{},\"size\":10,\"modificationTime\":1," \
	"\"dataChange\":true,\"stats\":\"{\\\"numRecords\\\":3}\"}}\n"

static void write_log(const struct delta_fixture *f, int version, const char *text)
{
	mkdir(f->path, 0777);
	mkdir(test_path("%s/_delta_log", f->path), 0777);
	FILE *file = fopen(test_path("%s/_delta_log/%020d.json", f->path, version), "w");
	CHECK(file);
	fputs(text, file);
	fclose(file);
}

static int try_snapshot(struct delta_fixture *f)
{
	struct delta_snapshot *s;
	int rc = delta_snapshot(f->table, &s, &f->err);
	if (rc == 0)
		delta_snapshot_unref(s);
	return rc;
}

static void check_log(const char *text, int want, const char *message_part)
{
	struct delta_fixture f = {.path = test_path("%s/t", test_folder())};
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &f.table, &f.err), f.err);
	write_log(&f, 0, text);
	CHECK_INT(try_snapshot(&f), want);
	if (want < 0 && !strstr(f.err.message, message_part))
		test_fail(__FILE__, __LINE__, "\"%s\" does not say \"%s\"", f.err.message, message_part);
	delta_close(f.table);
}

TEST(delta_log_refuses_what_is_broken)
{
	check_log(PROTOCOL METADATA, 0, "");
	check_log(PROTOCOL METADATA ADD("a.parquet"), 0, "");
	check_log(METADATA ADD("a.parquet"), MR_ERR_CORRUPT, "no protocol");
	check_log(PROTOCOL, MR_ERR_CORRUPT, "no metaData");
	check_log("", MR_ERR_CORRUPT, "no protocol");
	check_log(PROTOCOL METADATA "{\"add\":{\"path\":", MR_ERR_CORRUPT, "00000000000000000000.json:3");
	check_log(PROTOCOL METADATA "nonsense\n", MR_ERR_CORRUPT, ".json:3");
	check_log(PROTOCOL METADATA "[1]\n", MR_ERR_CORRUPT, "JSON object");
	check_log(PROTOCOL METADATA "{\"add\":{\"size\":1}}\n", MR_ERR_CORRUPT, "add has no path");
	check_log(PROTOCOL METADATA ADD("../../etc/passwd"), MR_ERR_CORRUPT, "not a path below the table");
	check_log(PROTOCOL METADATA ADD("a/%2e%2E/b"), MR_ERR_CORRUPT, "not a path below the table");
	check_log(PROTOCOL METADATA ADD("a%00b"), MR_ERR_CORRUPT, "not a path below the table");
	check_log(PROTOCOL METADATA ADD(""), MR_ERR_CORRUPT, "not a path");
	check_log(PROTOCOL METADATA ADD("/other/a.parquet"), 0, "");
	check_log(PROTOCOL METADATA ADD("s3://bucket/x"), MR_ERR_UNSUPPORTED, "store");
	check_log(PROTOCOL METADATA ADD("file:///a/../../etc/passwd"), MR_ERR_CORRUPT, "not a path");
	check_log(PROTOCOL METADATA "{\"add\":{\"path\":\"a\",\"size\":1,\"partitionValues\":{},"
				    "\"deletionVector\":{\"storageType\":\"u\"}}}\n",
		  MR_ERR_CORRUPT, "deletionVector");
	/* what is not known is passed over; blank lines and CRLF are fine */
	check_log(PROTOCOL METADATA
		  "{\"cdc\":{\"path\":\"x\"}}\r\n\n{\"futureAction\":{\"a\":1}}\n{}\n" ADD("..a.parquet"),
		  0, "");
	/* files before the metadata that explains them */
	check_log(ADD("a.parquet") METADATA PROTOCOL, 0, "");
}

static void check_protocol(const char *protocol, const char *configuration, int want, const char *feature)
{
	char *text = test_path(
	    "{\"protocol\":%s}\n"
	    "{\"metaData\":{\"id\":\"x\",\"format\":{\"provider\":\"parquet\",\"options\":{}},"
	    "\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"n\\\","
	    "\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}]}\","
	    "\"partitionColumns\":[],\"configuration\":{%s}}}\n",
	    protocol, configuration);
	struct delta_fixture f = {.path = test_path("%s/t", test_folder())};
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &f.table, &f.err), f.err);
	write_log(&f, 0, text);
	int rc = try_snapshot(&f);
	if (rc == 0) {
		int64_t version;
		rc = delta_commit(f.table, &(struct delta_commit){0}, &version, &f.err);
		if (rc == 0)
			rc = 1; /* may be read and written */
	}
	CHECK_INT(rc, want);
	if (rc < 0 && !strstr(f.err.message, feature))
		test_fail(__FILE__, __LINE__, "\"%s\" does not name %s", f.err.message, feature);
	delta_close(f.table);
}

TEST(delta_gate_refuses_features_by_name)
{
	check_protocol("{\"minReaderVersion\":1,\"minWriterVersion\":1}", "", 1, "");
	check_protocol("{\"minReaderVersion\":2,\"minWriterVersion\":6}", "", 1, "");
	check_protocol("{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"timestampNtz\"],"
		       "\"writerFeatures\":[\"timestampNtz\",\"appendOnly\"]}",
		       "", 1, "");
	check_protocol("{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"warpDrive\"],"
		       "\"writerFeatures\":[\"warpDrive\"]}",
		       "", MR_ERR_UNSUPPORTED, "warpDrive");
	check_protocol("{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":[\"collations\"]}",
		       "", MR_ERR_UNSUPPORTED, "collations");
	check_protocol("{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":[\"v2Checkpoint\"],"
		       "\"writerFeatures\":[\"v2Checkpoint\"]}",
		       "", 1, "");
	check_protocol("{\"minReaderVersion\":2,\"minWriterVersion\":5}",
		       "\"delta.columnMapping.mode\":\"name\"", 1, "");
	check_protocol("{\"minReaderVersion\":2,\"minWriterVersion\":5}",
		       "\"delta.columnMapping.mode\":\"runes\"", MR_ERR_UNSUPPORTED, "columnMapping.mode");
	check_protocol("{\"minReaderVersion\":2,\"minWriterVersion\":5}",
		       "\"delta.columnMapping.mode\":\"id\"", MR_ERR_CORRUPT, "field id");
	check_protocol("{\"minReaderVersion\":1,\"minWriterVersion\":3}", "\"delta.constraints.c\":\"n > 0\"",
		       MR_ERR_UNSUPPORTED, "checkConstraints");
	check_protocol("{\"minReaderVersion\":4,\"minWriterVersion\":7}", "", MR_ERR_UNSUPPORTED,
		       "version 4");
	check_protocol("{\"minReaderVersion\":1,\"minWriterVersion\":8}", "", MR_ERR_UNSUPPORTED,
		       "version 8");
}

#define DV(offset, count) \
	",\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"ab^-aqEH.-t@S}K{vb[*k^\"," \
	"\"offset\":" #offset ",\"sizeInBytes\":40,\"cardinality\":" #count "}"
#define ADD_DV(path, dv) \
	"{\"add\":{\"path\":\"" path "\",\"partitionValues\":{},\"size\":10,\"modificationTime\":1," \
	"\"dataChange\":true,\"stats\":\"{\\\"numRecords\\\":9}\"" dv "}}\n"
#define REMOVE_DV(path, dv) "{\"remove\":{\"path\":\"" path "\",\"dataChange\":true" dv "}}\n"

/* A commit's actions have no order: what comes in a file's place may stand before what it replaces. */
TEST(delta_log_takes_an_add_before_the_remove_of_its_older_vector)
{
	static const struct {
		const char *lines;
		int files, rows;
	} cases[] = {
	    {ADD_DV("a", DV(1, 2)) REMOVE_DV("a", ""), 1, 7},
	    {REMOVE_DV("a", "") ADD_DV("a", DV(1, 2)), 1, 7},
	    {ADD_DV("a", DV(9, 5)) REMOVE_DV("a", DV(1, 2)), 1, 4},
	    {REMOVE_DV("a", DV(9, 5)), 0, 0},
	};
	struct delta_fixture f = {.path = test_path("%s/t", test_folder())};
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &f.table, &f.err), f.err);
	write_log(
	    &f, 0,
	    "{\"protocol\":{\"minReaderVersion\":3,\"minWriterVersion\":7,\"readerFeatures\":["
	    "\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"]}}\n" METADATA ADD_DV("a", ""));
	for (size_t i = 0; i < MR_COUNT(cases); i++) {
		struct delta_snapshot *s;
		write_log(&f, (int)i + 1, cases[i].lines);
		CHECK_OK(delta_snapshot(f.table, &s, &f.err), f.err);
		CHECK_INT(delta_file_count(s), cases[i].files);
		CHECK_INT(delta_row_count(s), cases[i].rows);
		delta_snapshot_unref(s);
	}
	delta_close(f.table);
}

TEST(delta_log_counts_duplicates_once_and_finds_gaps)
{
	struct delta_fixture f = {.path = test_path("%s/t", test_folder())};
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &f.table, &f.err), f.err);
	write_log(&f, 0, PROTOCOL METADATA ADD("a") ADD("a") ADD("b") ADD("%61"));
	struct delta_snapshot *s;
	CHECK_OK(delta_snapshot(f.table, &s, &f.err), f.err);
	CHECK_INT(delta_file_count(s), 2);
	CHECK_INT(delta_row_count(s), 6);
	CHECK_INT(delta_size_bytes(s), 20);
	delta_snapshot_unref(s);
	write_log(&f, 1,
		  "{\"remove\":{\"path\":\"b\",\"dataChange\":true}}\n{\"remove\":{\"path\":\"zz\"}}\n");
	write_log(&f, 2, ADD("b") "{\"txn\":{\"appId\":\"q\",\"version\":9}}\n");
	CHECK_OK(delta_snapshot(f.table, &s, &f.err), f.err);
	CHECK_INT(delta_version(s), 2);
	CHECK_INT(delta_file_count(s), 2);
	CHECK_INT(delta_txn(s, MR_STR("q")), 9);
	CHECK_INT(delta_txn(s, MR_STR("r")), -1);
	delta_snapshot_unref(s);
	delta_close(f.table);
	write_log(&f, 4, ADD("c"));
	CHECK_OK(delta_open(env_linux(), NULL, f.path, &f.table, &f.err), f.err);
	CHECK_INT(try_snapshot(&f), MR_ERR_CORRUPT);
	CHECK(strstr(f.err.message, "version 3 is missing"));
	delta_close(f.table);
}

static void copy_file(const char *from, const char *to)
{
	struct mr_buf bytes = {0};
	struct mr_error err;
	CHECK_OK(disk_read_file(env_linux()->disk, from, 1 << 20, &bytes, &err), err);
	CHECK_OK(disk_replace_file(env_linux()->disk, to, mr_buf_view(&bytes), &err), err);
	mr_buf_release(&bytes);
}

TEST(delta_reads_back_from_the_checkpoint_alone)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long, p string", "p");
	struct delta_txn txn = {MR_STR("flow \"q\""), 41};
	for (int i = 1; i <= 9; i++)
		delta_append(&f, test_path("SELECT %d AS n, nullif('p%d/x', 'p3/x') AS p", i, i % 4));
	delta_put(&f, "SELECT 10 AS n, 'p' AS p", (struct delta_commit){.txns = &txn, .txn_count = 1});
	delta_append(&f, "SELECT 11 AS n, 'p' AS p");
	struct delta_snapshot *before = delta_now(&f);
	char *checkpoint = test_path("%s/_delta_log/%020d.checkpoint.parquet", f.path, 10);
	CHECK(access(checkpoint, R_OK) == 0);
	CHECK(access(test_path("%s/_delta_log/_last_checkpoint", f.path), R_OK) == 0);
	for (int v = 0; v <= 10; v++)
		CHECK_INT(unlink(test_path("%s/_delta_log/%020d.json", f.path, v)), 0);
	delta_close(f.table);
	CHECK_OK(delta_open(env_linux(), f.engine, f.path, &f.table, &f.err), f.err);
	struct delta_snapshot *s = delta_now(&f);
	CHECK_INT(delta_version(s), 11);
	CHECK_INT(delta_file_count(s), delta_file_count(before));
	CHECK_INT(delta_size_bytes(s), delta_size_bytes(before));
	CHECK_INT(delta_row_count(s), 11);
	CHECK_INT(delta_txn(s, txn.app_id), 41);
	CHECK(mr_str_eq(delta_schema_json(s), delta_schema_json(before)));
	CHECK_ROWS(&f, s, "sum(n) || ' ' || count(p) || ' ' || count(DISTINCT p)", "66 9 4");
	delta_snapshot_unref(s);
	/* a commit follows it, and older versions are gone by name */
	CHECK_INT(delta_append(&f, "SELECT 12 AS n, NULL AS p"), 12);
	CHECK_INT(delta_snapshot_at(f.table, 9, &s, &f.err), MR_ERR_NOT_FOUND);
	/* a damaged checkpoint is no answer, not a wrong one */
	copy_file(test_path("%s/_delta_log/%020d.json", f.path, 12), checkpoint);
	delta_close(f.table);
	CHECK_OK(delta_open(env_linux(), f.engine, f.path, &f.table, &f.err), f.err);
	CHECK_INT(try_snapshot(&f), MR_ERR_CORRUPT);
	delta_snapshot_unref(before);
	delta_fixture_close(&f);
}

TEST(delta_checkpoints_keep_tombstones_and_domains)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	write_log(&f, 0,
		  "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":7,\"writerFeatures\":["
		  "\"domainMetadata\"]}}\n" METADATA
		  "{\"domainMetadata\":{\"domain\":\"d1\",\"configuration\":\"{\\\"a\\\":1}\",\"removed\":"
		  "false}}\n");
	delta_append(&f, "SELECT 1 AS n");
	delta_put(&f, "SELECT 2 AS n", (struct delta_commit){.overwrite = true});
	CHECK_OK(delta_checkpoint(f.table, &f.err), f.err);
	struct sql_result *r;
	CHECK_OK(sql_query(f.conn,
			   mr_str_from(test_path(
			       "SELECT count(add), count(remove), count(protocol), count(metaData), "
			       "any_value(domainMetadata.configuration), "
			       "any_value(protocol.writerFeatures)::VARCHAR, "
			       "any_value(add.dataChange)::VARCHAR, any_value(metaData.schemaString) "
			       "FROM '%s/_delta_log/%020d.checkpoint.parquet'",
			       f.path, 2)),
			   &r, &f.err),
		 f.err);
	CHECK_INT(sql_next(r, &f.err), 1);
	for (size_t i = 0; i < 4; i++)
		CHECK_INT(sql_int(r, i), 1);
	CHECK_STR(sql_text(r, 4), "{\"a\":1}");
	CHECK_STR(sql_text(r, 5), "[domainMetadata]");
	CHECK_STR(sql_text(r, 6), "false");
	sql_result_free(r);
	delta_fixture_close(&f);
}

TEST(delta_notices_a_table_made_anew)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f, "n long", NULL);
	delta_append(&f, "SELECT 1 AS n");
	CHECK_OK(disk_remove_all(env_linux()->disk, f.path, &f.err), f.err);
	int64_t version;
	CHECK_INT(delta_commit(f.table, &(struct delta_commit){0}, &version, &f.err), MR_ERR_NOT_FOUND);
	delta_fixture_create(&f, "other string", NULL);
	CHECK_INT(delta_append(&f, "SELECT 'x' AS other"), 1);
	CHECK_NOW(&f, "other", "x");
	delta_fixture_close(&f);
}
