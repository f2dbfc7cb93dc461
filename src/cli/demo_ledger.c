#include "cli/demo_ledger.h"

#include "query/session.h"

#include <stdio.h>

int demo_number(struct app *app, const char *sql, int64_t *out, struct mr_error *err)
{
	struct session *session;
	int rc = session_take(app_sessions(app), &session, err);
	if (rc < 0)
		return rc;
	mr_str text = mr_str_from(sql);
	struct sql_result *result;
	rc = session_run(session, &text, &result, err);
	if (rc > 0) {
		rc = sql_next(result, err);
		if (rc > 0)
			*out = sql_int(result, 0);
		sql_result_free(result);
	}
	session_give(app_sessions(app), session);
	return rc < 0 ? rc : 0;
}

/* Dead letters are counted only where the topic is: it is made with its first one. */
static int count_topic(struct app *app, const char *topic, const char *count, int64_t *out,
		       struct mr_error *err)
{
	*out = 0;
	if (!log_topic_find(broker_store(app_broker(app)), mr_str_from(topic)))
		return 0;
	char sql[512];
	snprintf(sql, sizeof sql, "SELECT %s FROM \"%s\"", count, topic);
	return demo_number(app, sql, out, err);
}

static void print_row(const char *what, int64_t value)
{
	printf("  %-44s %10lld\n", what, (long long)value);
}

/* The id that the sender gave a line, wherever the line is. */
#define ID_PATTERN "'(log|live|bad)-[0-9]{8}'"

int demo_ledger(struct app *app, uint64_t lines, struct mr_error *err)
{
	int64_t sent = (int64_t)lines;
	int64_t topic = 0, unmatched = 0, invalid = 0, bronze = 0, rejected = 0, rows_by_id = 0, ids = 0;
	struct ingest *const *ingests;
	int rc = count_topic(app, "logs-access", "count(*)", &topic, err);
	if (rc == 0)
		rc = count_topic(app, "gateway.dlq", "count(*)", &unmatched, err);
	if (rc == 0)
		rc = count_topic(app, "logs-access.dlq", "count(*)", &invalid, err);
	if (rc == 0)
		rc = demo_number(app, "SELECT count(*) FROM bronze.access_log", &bronze, err);
	if (rc == 0)
		rc = demo_number(app, "SELECT count(DISTINCT id) FROM bronze.access_log", &rows_by_id, err);
	if (rc < 0)
		return rc;
	size_t count = app_ingests(app, &ingests);
	for (size_t i = 0; i < count; i++) {
		struct ingest_stats stats;
		ingest_stats(ingests[i], &stats);
		rejected += (int64_t)stats.rejected;
	}
	struct mr_buf sql = {0};
	mr_buf_cstr(&sql, "SELECT count(DISTINCT id) FROM (SELECT id FROM bronze.access_log");
	if (unmatched)
		mr_buf_cstr(&sql,
			    " UNION ALL SELECT regexp_extract(value, " ID_PATTERN ") FROM \"gateway.dlq\"");
	if (invalid)
		mr_buf_cstr(&sql, " UNION ALL SELECT regexp_extract(value, " ID_PATTERN
				  ") FROM \"logs-access.dlq\"");
	mr_buf_cstr(&sql, ")");
	rc = demo_number(app, sql.ptr, &ids, err);
	mr_buf_release(&sql);
	if (rc < 0)
		return rc;

	/* A record that ingest rejected is in logs-access.dlq too, after it was in the topic. */
	int64_t refused = invalid - rejected;
	bool in = sent == topic + unmatched + refused, out = topic == bronze + rejected;
	bool by_id = ids == sent && rows_by_id == bronze;
	printf("\nThe ledger\n");
	print_row("lines sent", sent);
	print_row("  = events in topic logs-access", topic);
	print_row("  + no rule matched (gateway.dlq)", unmatched);
	print_row("  + broke the contract (logs-access.dlq)", refused);
	print_row("events in topic logs-access", topic);
	print_row("  = rows in bronze.access_log", bronze);
	print_row("  + did not decode (logs-access.dlq)", rejected);
	print_row("ids found, of those sent", ids);
	printf("%s\n",
	       in && out && by_id ? "balances: every line is where it belongs, once" : "DOES NOT BALANCE");
	return in && out && by_id ? 0 : 1;
}
