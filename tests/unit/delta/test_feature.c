#include "delta_fixture.h"

#include "delta/internal.h"

static struct table_meta *meta_with(const char *configuration)
{
	struct json_parser *parser = json_parser_new();
	char *text =
	    test_path("{\"id\":\"x\",\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[{"
		      "\\\"name\\\":\\\"n\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,"
		      "\\\"metadata\\\":{}}]}\",\"partitionColumns\":[],\"configuration\":{%s}}",
		      configuration);
	struct action_metadata action;
	struct table_meta *meta;
	struct mr_error err = {0};
	CHECK_OK(json_parse(parser, mr_str_from(text), &action.body, &err), err);
	CHECK_OK(delta_meta_parse(parser, &action, &meta, &err), err);
	json_parser_free(parser);
	return meta;
}

static char *describe(const struct table_protocol *protocol)
{
	struct mr_buf out = {0};
	mr_buf_printf(&out, "%d,%d", protocol->reader, protocol->writer);
	for (size_t i = 0; i < protocol->reader_feature_count; i++)
		mr_buf_printf(&out, " r:%s", protocol->reader_features[i].ptr);
	for (size_t i = 0; i < protocol->writer_feature_count; i++)
		mr_buf_printf(&out, " %s", protocol->writer_features[i].ptr);
	char *text = test_path("%s", mr_buf_view(&out).ptr);
	mr_buf_release(&out);
	return text;
}

static void check_upgrade(const struct table_protocol *current, const char *configuration, const char *more,
			  const char *want)
{
	struct table_meta *meta = meta_with(configuration);
	struct table_protocol out = {0};
	struct mr_error err = {0};
	int rc = delta_protocol_for(current, meta, &more, more != NULL, &out, &err);
	if (rc < 0)
		test_fail(__FILE__, __LINE__, "%s", err.message);
	CHECK_STR(mr_str_from(rc ? describe(&out) : "stays"), want);
	if (rc)
		CHECK_OK(delta_protocol_check(&out, &err), err);
	delta_protocol_release(&out);
	delta_meta_unref(meta);
}

TEST(feature_upgrades_ask_for_the_least)
{
	struct table_protocol old = {.reader = 1, .writer = 2};
	check_upgrade(NULL, "", NULL, "1,2");
	check_upgrade(&old, "", NULL, "stays");
	check_upgrade(&old, "\"delta.appendOnly\":\"true\"", NULL, "stays");
	check_upgrade(&old, "\"delta.constraints.c\":\"n > 0\"", NULL, "1,3");
	check_upgrade(&old, "\"delta.enableChangeDataFeed\":\"true\"", NULL, "1,4");
	check_upgrade(&old, "\"delta.columnMapping.mode\":\"name\"", NULL, "2,5");
	check_upgrade(&old, "\"delta.enableDeletionVectors\":\"true\"", NULL,
		      "3,7 r:deletionVectors appendOnly invariants deletionVectors");
	check_upgrade(&old, "", "clustering", "1,7 appendOnly invariants domainMetadata clustering");
	struct table_protocol mapped = {.reader = 2, .writer = 5};
	check_upgrade(
	    &mapped, "\"delta.columnMapping.mode\":\"name\"", "domainMetadata",
	    "3,7 r:columnMapping appendOnly invariants checkConstraints changeDataFeed generatedColumns "
	    "columnMapping domainMetadata");
}

TEST(feature_upgrades_keep_what_is_listed)
{
	mr_str reader[] = {MR_STR("timestampNtz")},
	       writer[] = {MR_STR("timestampNtz"), MR_STR("someoneElses")};
	struct table_protocol current = {.reader = 3,
					 .writer = 7,
					 .reader_features = reader,
					 .reader_feature_count = 1,
					 .writer_features = writer,
					 .writer_feature_count = 2};
	check_upgrade(&current, "", "timestampNtz", "stays");
	check_upgrade(&current, "\"delta.enableDeletionVectors\":\"true\"", NULL,
		      "3,7 r:timestampNtz r:deletionVectors timestampNtz someoneElses deletionVectors");
	const char *unknown = "warpDrive";
	struct table_protocol out;
	struct mr_error err = {0};
	bool changed;
	CHECK_INT(delta_protocol_extend(&current, &unknown, 1, &out, &changed, &err), MR_ERR_UNSUPPORTED);
	CHECK(strstr(err.message, "warpDrive"));
}

TEST(feature_registry_is_sound)
{
	size_t count;
	const struct delta_feature *features = delta_features(&count);
	for (size_t i = 0; i < count; i++) {
		const struct delta_feature *f = &features[i];
		CHECK(delta_feature_find(mr_str_from(f->name)) == f); /* no name twice */
		CHECK(!f->legacy_reader || f->is_reader);
		CHECK(!f->legacy_reader || f->legacy_writer);
		CHECK(f->read != DELTA_CHECKED && (f->read != DELTA_UNUSED || f->used));
		CHECK((f->write != DELTA_CHECKED && f->write != DELTA_UNUSED) || f->used);
		CHECK(f->write == DELTA_NO || f->read == DELTA_YES);
		for (size_t j = 0; j < MR_COUNT(f->depends) && f->depends[j]; j++)
			CHECK(delta_feature_find(mr_str_from(f->depends[j])));
	}
}

/* ---- what is refused ---- */

static int count_name(void *arg, const char *name, const struct file_info *info)
{
	(void)name;
	*(int64_t *)arg += 1000003 + info->size;
	return 0;
}

/* Names and sizes of all that is in the table's folder. */
static int64_t folder_sum(const struct delta_fixture *f)
{
	int64_t sum = 0;
	struct mr_error err;
	char *log = test_path("%s/_delta_log", f->path);
	CHECK_OK(disk_list(env_linux()->disk, f->path, count_name, &sum, &err), err);
	CHECK_OK(disk_list(env_linux()->disk, log, count_name, &sum, &err), err);
	return sum;
}

/* Version 2 of the table asks for a feature: who must know it? */
static void check_refused(struct delta_fixture *f, const char *name, bool of_readers, bool reads)
{
	struct delta_table *table;
	struct delta_snapshot *snapshot = NULL;
	struct delta_commit commit = {.operation = "WRITE"};
	int64_t version;
	char *path = test_path("%s/_delta_log/00000000000000000002.json", f->path);
	const char *readers = of_readers ? test_path(",\"readerFeatures\":[\"%s\"]", name) : "";
	char *line = test_path("{\"protocol\":{\"minReaderVersion\":%d,\"minWriterVersion\":7%s,"
			       "\"writerFeatures\":[\"%s\"]}}\n",
			       of_readers ? 3 : 1, readers, name);
	CHECK_OK(disk_replace_file(env_linux()->disk, path, mr_str_from(line), &f->err), f->err);
	int64_t before = folder_sum(f);
	CHECK_OK(delta_open(env_linux(), f->engine, f->path, &table, &f->err), f->err);
	int rc = delta_snapshot(table, &snapshot, &f->err);
	if (reads != (rc == 0))
		test_fail(__FILE__, __LINE__, "%s: reading it is %d: %s", name, rc, f->err.message);
	if (rc == 0)
		CHECK_ROWS(f, snapshot, "sum(n)", "45");
	else
		CHECK(rc == MR_ERR_UNSUPPORTED && strstr(f->err.message, name));
	CHECK_INT(delta_check_writable(table, &f->err), MR_ERR_UNSUPPORTED);
	CHECK(strstr(f->err.message, name));
	CHECK_INT(delta_commit(table, &commit, &version, &f->err), MR_ERR_UNSUPPORTED);
	CHECK(strstr(f->err.message, name));
	CHECK_INT(delta_checkpoint(table, &f->err) == 0, reads);
	if (!reads)
		CHECK_INT(folder_sum(f), before);
	delta_snapshot_unref(snapshot);
	delta_close(table);
}

TEST(feature_that_is_refused_is_named_before_anything_is_touched)
{
	size_t count, refused = 0;
	const struct delta_feature *features = delta_features(&count);
	for (size_t i = 0; i <= count; i++) {
		struct delta_fixture f;
		if (i < count && features[i].write != DELTA_NO)
			continue;
		delta_fixture_open(&f);
		delta_fixture_create(&f, "n long", NULL);
		delta_append(&f, "SELECT range AS n FROM range(10)");
		if (i < count) {
			check_refused(&f, features[i].name, features[i].is_reader,
				      !features[i].is_reader || features[i].read != DELTA_NO);
		} else {
			check_refused(&f, "warpDrive", true, false);
			check_refused(&f, "warpDrive", false, true);
		}
		delta_fixture_close(&f);
		refused++;
	}
	CHECK(refused >= 5);
}
