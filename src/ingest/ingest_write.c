/* ingest/ingest_write.c - the default writer: the engine pulls rows from the topic into Parquet. */
#include "ingest/ingest_internal.h"

int ingest_write_default(struct ingest *ingest, const struct delta_snapshot *snapshot, mr_str ranges,
			 struct arena *arena, struct delta_file **files, size_t *count, struct mr_error *err)
{
	struct mr_buf query = {0};
	mr_buf_cstr(&query, "SELECT * FROM " INGEST_WRITE_FUNCTION "(");
	sql_quote_literal(&query, ingest->layout->table);
	mr_buf_cstr(&query, ", ");
	sql_quote_literal(&query, ranges);
	mr_buf_char(&query, ')');
	int rc = delta_write_files(ingest->table, snapshot, ingest->conn, mr_buf_view(&query), arena, files,
				   count, err);
	mr_buf_release(&query);
	return rc;
}
