/* Each check of the table refuses what it is there for, by its name, and lets the rest through. */
#include "test.h"

#include "delta/internal.h"
#include "delta/validate.h"

#define FIELD(name, type) \
	"{\\\"name\\\":\\\"" name "\\\",\\\"type\\\":\\\"" type \
	"\\\",\\\"nullable\\\":true,\\\"metadata\\\":{}}"
#define META(id, fields, partitions, configuration) \
	"{\"metaData\":{\"id\":\"" id "\",\"format\":{\"provider\":\"parquet\",\"options\":{}}," \
	"\"schemaString\":\"{\\\"type\\\":\\\"struct\\\",\\\"fields\\\":[" fields "]}\"," \
	"\"partitionColumns\":[" partitions "],\"configuration\":{" configuration "}}}\n"
#define PLAIN META("x", FIELD("n", "long") "," FIELD("p", "date"), "\"p\"", "")
#define PROTOCOL(reader, writer, rest) \
	"{\"protocol\":{\"minReaderVersion\":" #reader ",\"minWriterVersion\":" #writer rest "}}\n"
#define FULL \
	PROTOCOL(3, 7, \
		 ",\"readerFeatures\":[\"deletionVectors\"],\"writerFeatures\":[\"deletionVectors\"," \
		 "\"appendOnly\",\"domainMetadata\",\"changeDataFeed\"]")
#define FILE_ACTION(kind, path, rest) \
	"{\"" kind "\":{\"path\":\"" path "\",\"partitionValues\":{\"p\":\"2024-01-02\"},\"size\":10," \
	"\"dataChange\":true" rest "}}\n"
#define ADD(path, rest) FILE_ACTION("add", path, ",\"modificationTime\":1" rest)
#define REMOVE(path, rest) FILE_ACTION("remove", path, ",\"deletionTimestamp\":1" rest)
#define STATS(stats) ",\"stats\":\"{" stats "}\""
#define TEN STATS("\\\"numRecords\\\":10")
#define DV(offset, size, count) \
	",\"deletionVector\":{\"storageType\":\"u\",\"pathOrInlineDv\":\"ab^-aqEH.-t@S}K{vb[*k^\"," \
	"\"offset\":" #offset ",\"sizeInBytes\":" #size ",\"cardinality\":" #count "}"
#define TABLE FULL PLAIN ADD("old", TEN) ADD("marked", TEN DV(1, 40, 2))

#define FIELDS FIELD("n", "long") "," FIELD("p", "date")
#define TIMED_PROTOCOL PROTOCOL(1, 7, ",\"writerFeatures\":[\"inCommitTimestamp\"]")
#define TIMED META("x", FIELDS, "\"p\"", "\"delta.enableInCommitTimestamps\":\"true\"")
#define TIMED_SINCE(version, time) \
	META("x", FIELDS, "\"p\"", \
	     "\"delta.enableInCommitTimestamps\":\"true\",\"delta.inCommitTimestampEnablementVersion\":" \
	     "\"" version "\",\"delta.inCommitTimestampEnablementTimestamp\":\"" time "\"")
#define INFO(ms) "{\"commitInfo\":{\"inCommitTimestamp\":" #ms "}}\n"
#define TRACKED PROTOCOL(1, 7, ",\"writerFeatures\":[\"rowTracking\",\"domainMetadata\"]") PLAIN
#define IDS(base) ",\"baseRowId\":" #base ",\"defaultRowCommitVersion\":1"
#define MARK(mark) \
	"{\"domainMetadata\":{\"domain\":\"delta.rowTracking\",\"configuration\":" \
	"\"{\\\"rowIdHighWaterMark\\\":" #mark "}\",\"removed\":false}}\n"

static struct delta_log_state *state_of(struct json_parser *parser, const char *lines)
{
	struct mr_error err = {0};
	struct delta_log_state *state = delta_state_new();
	state->version = 0;
	mr_str left = mr_str_from(lines);
	while (left.len) {
		const char *end = memchr(left.ptr, '\n', left.len);
		struct action action;
		size_t len = (size_t)(end - left.ptr);
		CHECK_OK(delta_action_parse(parser, mr_str_n(left.ptr, len), &action, &err), err);
		CHECK_OK(delta_state_apply(state, parser, &action, &err), err);
		left = mr_str_tail(left, len + 1);
	}
	return state;
}

static int run(const char *before, const char *lines, struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	struct delta_log_state *state = before ? state_of(parser, before) : NULL;
	int rc = delta_validate_actions(state, mr_str_from(lines), parser, err);
	delta_state_free(state);
	json_parser_free(parser);
	return rc;
}

static const struct {
	const char *check, *before, *lines;
} broken[] = {
    {"action-kind", TABLE, "{\"sidecar\":{\"path\":\"x\",\"sizeInBytes\":1}}\n"},
    {"action-kind", TABLE, "{\"ad\":{\"path\":\"x\"}}\n"},
    {"one-protocol", NULL, FULL FULL PLAIN},
    {"protocol-lists", NULL, PROTOCOL(1, 2, ",\"writerFeatures\":[\"appendOnly\"]") PLAIN},
    {"protocol-lists", NULL, PROTOCOL(3, 2, "") PLAIN},
    {"protocol-lists", NULL,
     PROTOCOL(3, 7, ",\"readerFeatures\":[\"timestampNtz\"],\"writerFeatures\":[]") PLAIN},
    {"protocol-features", NULL,
     PROTOCOL(3, 7, ",\"readerFeatures\":[],\"writerFeatures\":[\"deletionVectors\"]") PLAIN},
    {"protocol-features", NULL, PROTOCOL(1, 7, ",\"writerFeatures\":[\"rowTracking\"]") PLAIN},
    {"one-metadata", TABLE, PLAIN PLAIN},
    {"metadata-whole", TABLE, META("", FIELD("n", "long"), "", "")},
    {"metadata-whole", TABLE, META("x", "", "", "")},
    {"metadata-whole", TABLE, META("x", FIELD("n", "long"), "", "\"delta.appendOnly\":true")},
    {"metadata-features", NULL,
     PROTOCOL(1, 2, "") META("x", FIELD("n", "long"), "", "\"delta.enableChangeDataFeed\":\"true\"")},
    {"metadata-features", TABLE, META("x", FIELD("n", "timestamp_ntz"), "", "")},
    {"metadata-mapping", NULL,
     PROTOCOL(2, 5, "") META("x", FIELD("n", "long"), "", "\"delta.columnMapping.mode\":\"name\"")},
    {"one-commit-info", TABLE, "{\"commitInfo\":{}}\n{\"commitInfo\":{}}\n"},
    {"file-path", TABLE, ADD("../x", "")},
    {"file-path", TABLE, REMOVE("a/%2e./x", "")},
    {"file-partition", TABLE, "{\"add\":{\"path\":\"x\",\"partitionValues\":{},\"size\":1}}\n"},
    {"file-partition", TABLE, "{\"add\":{\"path\":\"x\",\"partitionValues\":{\"q\":\"1\"},\"size\":1}}\n"},
    {"file-partition", TABLE, "{\"add\":{\"path\":\"x\",\"partitionValues\":{\"p\":1},\"size\":1}}\n"},
    {"file-partition-text", TABLE,
     "{\"add\":{\"path\":\"x\",\"partitionValues\":{\"p\":\"monday\"},\"size\":1}}\n"},
    {"file-size", TABLE,
     "{\"add\":{\"path\":\"x\",\"partitionValues\":{\"p\":null},\"size\":-1,\"modificationTime\":1}}\n"},
    {"add-stats", TABLE, ADD("x", ",\"stats\":\"[]\"")},
    {"add-stats", TABLE, ADD("x", STATS("\\\"numRecords\\\":-1"))},
    {"add-stats", TABLE, ADD("x", STATS("\\\"numRecords\\\":3,\\\"nullCount\\\":{\\\"n\\\":4}"))},
    {"add-stats", TABLE,
     ADD("x", STATS("\\\"numRecords\\\":3,\\\"nullCount\\\":{\\\"s\\\":{\\\"n\\\":-1}}"))},
    {"add-stats", TABLE, ADD("x", STATS("\\\"numRecords\\\":3,\\\"minValues\\\":7"))},
    {"add-once", TABLE, ADD("a b", "") ADD("a%20b", "")},
    {"add-once", TABLE, ADD("x", TEN) ADD("x", TEN DV(1, 40, 2))},
    {"vector-place", FULL PLAIN, ADD("x", TEN DV(1, 0, 2))},
    {"vector-place", PROTOCOL(1, 2, "") PLAIN, ADD("x", TEN DV(1, 40, 2))},
    {"vector-count", TABLE, ADD("x", DV(1, 40, 2))},
    {"vector-count", TABLE, ADD("x", TEN DV(1, 40, 11))},
    {"vector-count", TABLE, ADD("x", TEN DV(1, 40, 0))},
    {"remove-known", TABLE, REMOVE("never", "")},
    {"remove-known", TABLE, REMOVE("old", "") REMOVE("%6fld", "")},
    {"remove-known", TABLE, REMOVE("old", DV(1, 40, 2))},
    {"remove-known", TABLE, REMOVE("marked", "")},
    {"append-only",
     FULL META("x", FIELD("n", "long") "," FIELD("p", "date"), "\"p\"", "\"delta.appendOnly\":\"true\"")
	 ADD("old", TEN),
     REMOVE("old", "")},
    {"cdc", TABLE, FILE_ACTION("cdc", "_change_data/x", "")},
    {"domain-once", PROTOCOL(1, 2, "") PLAIN,
     "{\"domainMetadata\":{\"domain\":\"d\",\"configuration\":\"\",\"removed\":false}}\n"},
    {"domain-once", TABLE, "{\"domainMetadata\":{\"domain\":\"d\",\"removed\":false}}\n"},
    {"domain-system", TABLE,
     "{\"domainMetadata\":{\"domain\":\"delta.clustering\",\"configuration\":\"\",\"removed\":false}}\n"},
    {"txn-once", TABLE,
     "{\"txn\":{\"appId\":\"a\",\"version\":1}}\n{\"txn\":{\"appId\":\"a\",\"version\":2}}\n"},
    {"first-version", NULL, FULL},
    {"first-version", NULL, ADD("x", "")},
    {"add-remove-apart", TABLE, ADD("old", TEN) REMOVE("old", "")},
    {"row-columns", TRACKED, META("x", FIELDS, "\"p\"", "\"delta.enableRowTracking\":\"true\"")},
    {"row-ids", TRACKED, ADD("x", TEN)},
    {"row-ids", TRACKED, ADD("x", IDS(0)) MARK(9)},
    {"row-domain", TRACKED MARK(9), MARK(8)},
    {"row-ids-apart", TRACKED MARK(9), ADD("x", TEN IDS(10))},
    {"row-ids-apart", TRACKED MARK(9), MARK(18) ADD("x", TEN IDS(10))},
    {"row-ids-apart", TRACKED MARK(9), MARK(28) ADD("x", TEN IDS(19)) ADD("y", TEN IDS(10))},
    {"commit-timestamp", TIMED_PROTOCOL TIMED INFO(5), "{\"commitInfo\":{}}\n"},
    {"commit-timestamp", TIMED_PROTOCOL TIMED INFO(5), INFO(5)},
    {"commit-timestamp", TIMED_PROTOCOL TIMED INFO(5), "{\"txn\":{\"appId\":\"a\",\"version\":1}}\n" INFO(6)},
    {"commit-timestamp-since", TIMED_PROTOCOL PLAIN, INFO(6) TIMED},
    {"commit-timestamp-since", TIMED_PROTOCOL PLAIN, INFO(6) TIMED_SINCE("2", "6")},
    {"commit-timestamp-since", TIMED_PROTOCOL PLAIN, INFO(6) TIMED_SINCE("1", "7")},
    {"add-replaces", TABLE, ADD("old", TEN DV(1, 40, 2))},
};

TEST(validate_refuses_by_name)
{
	for (size_t i = 0; i < MR_COUNT(broken); i++) {
		struct mr_error err = {0};
		char *want = test_path(": %s: ", broken[i].check);
		int rc = run(broken[i].before, broken[i].lines, &err);
		if (rc != MR_ERR_INVALID || !strstr(err.message, want))
			test_fail(__FILE__, __LINE__, "row %zu, %s: %d \"%s\"", i, broken[i].check, rc,
				  err.message);
	}
}

TEST(validate_has_a_row_for_each_check)
{
	const char *name;
	for (size_t i = 0; (name = delta_validation_name(i)); i++) {
		bool seen = false;
		for (size_t j = 0; j < MR_COUNT(broken); j++)
			seen |= strcmp(broken[j].check, name) == 0;
		if (!seen)
			test_fail(__FILE__, __LINE__, "no row breaks the check %s", name);
	}
}

TEST(validate_lets_good_commits_through)
{
	static const char *const good[][2] = {
	    {NULL, TABLE},
	    {NULL, PROTOCOL(1, 2, "") PLAIN ADD("a", "")},
	    {TABLE, ""},
	    /* replaced by one of other partitions, that only grows from now on */
	    {TABLE, META("x", FIELD("n", "long"), "", "\"delta.appendOnly\":\"true\"") REMOVE("old", "")},
	    {TABLE, "{\"commitInfo\":{}}\n" ADD("x", TEN DV(1, 40, 10)) REMOVE("old", "")},
	    {TABLE, ADD("old", TEN DV(1, 40, 2)) REMOVE("old", "")},
	    {TABLE, REMOVE("marked", DV(1, 40, 2)) ADD("marked", TEN DV(50, 44, 3)) REMOVE("old", "")},
	    {TIMED_PROTOCOL TIMED INFO(5), INFO(6)},
	    {TIMED_PROTOCOL PLAIN, INFO(6) TIMED_SINCE("1", "6")},
	    {TRACKED MARK(9), ADD("x", TEN IDS(20)) ADD("y", TEN IDS(10)) MARK(29)},
	    {TRACKED MARK(9), ADD("back", TEN IDS(0))},
	    {TABLE, PLAIN "{\"txn\":{\"appId\":\"a\",\"version\":1}}\n"},
	    {TABLE, "{\"domainMetadata\":{\"domain\":\"mine\",\"configuration\":\"\",\"removed\":false}}\n"},
	};
	for (size_t i = 0; i < MR_COUNT(good); i++) {
		struct mr_error err = {0};
		if (run(good[i][0], good[i][1], &err) < 0)
			test_fail(__FILE__, __LINE__, "row %zu: %s", i, err.message);
	}
}
