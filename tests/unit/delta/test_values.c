#include "delta/delta_fixture.h"

#include "delta/internal.h"

TEST(delta_paths_survive_encoding)
{
	struct arena arena = {0};
	struct mr_error err;
	/* p=10:00 in a folder that was escaped once already: the worked example of the protocol */
	struct mr_buf out = {0};
	delta_path_encode(&out, MR_STR("ts=2024-01-01 10%3A00/f.parquet"));
	CHECK_STR(mr_buf_view(&out), "ts=2024-01-01%2010%253A00/f.parquet");
	for (int c = 1; c < 256; c++) {
		char text[] = {'a', (char)c, 'b', '%', '4', '1', 0};
		mr_str back;
		mr_buf_clear(&out);
		delta_path_encode(&out, mr_str_from(text));
		CHECK_OK(delta_path_decode(mr_buf_view(&out), &arena, &back, &err), err);
		CHECK_STR(back, text);
	}
	mr_buf_release(&out);
	arena_release(&arena);
}

static char *first_stats(struct delta_fixture *f, const char *query)
{
	struct delta_file *files;
	size_t count;
	struct delta_snapshot *s = delta_now(f);
	CHECK_OK(
	    delta_write_files(f->table, s, f->conn, mr_str_from(query), &f->arena, &files, &count, &f->err),
	    f->err);
	CHECK_INT(count, 1);
	delta_snapshot_unref(s);
	return (char *)(uintptr_t)arena_copy(&f->arena, files[0].stats_json).ptr;
}

TEST(delta_stats_are_never_too_tight)
{
	struct delta_fixture f;
	delta_fixture_open(&f);
	delta_fixture_create(&f,
			     "a boolean, b long, c double, d string, e timestamp, f date, g decimal(10,2), h "
			     "binary, i timestamp_ntz",
			     NULL);
	CHECK_STR(
	    mr_str_from(
		first_stats(&f, "SELECT range = 1 AS a, range - 1 AS b, range / 2 AS c, "
				"CASE range WHEN 0 THEN 'a\"b' WHEN 1 THEN repeat('ü', 40) END AS d, "
				"TIMESTAMPTZ '2024-01-01 00:00:00.123456+00' + INTERVAL (range) SECOND AS e, "
				"DATE '2024-01-01' AS f, range * 1.5 AS g, 'x'::BLOB AS h, "
				"TIMESTAMP '1960-01-01 00:00:00.0005' AS i FROM range(3)")),
	    "{\"numRecords\":3,\"minValues\":{\"b\":-1,\"c\":0.0,\"d\":\"a\\\"b\",\"e\":\"2024-01-01T00:00:"
	    "00.123Z\","
	    "\"f\":\"2024-01-01\",\"g\":0.00,\"i\":\"1960-01-01T00:00:00.000\"},\"maxValues\":{\"b\":1,\"c\":"
	    "1.0,"
	    "\"d\":\"üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüü\xf4\x8f\xbf\xbf\",\"e\":\"2024-01-01T00:00:02.124Z\","
	    "\"f\":\"2024-01-01\",\"g\":3.00,\"i\":\"1960-01-01T00:00:00.001\"},\"nullCount\":{\"a\":0,\"b\":"
	    "0,\"c\":0,"
	    "\"d\":1,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0}}");
	char *text = first_stats(
	    &f, "SELECT NULL AS a, NULL AS b, unnest(['nan', 'inf', '1'])::DOUBLE AS c, NULL AS d, "
		"'infinity'::TIMESTAMPTZ AS e, DATE '12024-01-01' AS f, NULL AS g, NULL AS h, NULL AS i");
	CHECK(strstr(text, "\"minValues\":{},\"maxValues\":{}"));
	CHECK_INT(delta_stats_rows(mr_str_from(text)), 3);
	CHECK_INT(delta_stats_rows(MR_STR("{}")), -1);
	CHECK_INT(delta_stats_rows(MR_STR("{\"numRecords\": 12 }")), 12);
	CHECK_INT(delta_stats_rows(MR_STR("{\"numRecords\":")), -1);
	delta_fixture_close(&f);
}
