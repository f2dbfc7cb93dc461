/* delta/action.c - see action.h. */
#include "delta/action.h"

static void read_protocol(struct json_value body, struct action *out)
{
	out->protocol = (struct action_protocol){
	    .reader = (int)json_int(json_get(body, "minReaderVersion")),
	    .writer = (int)json_int(json_get(body, "minWriterVersion")),
	    .reader_features = json_get(body, "readerFeatures"),
	    .writer_features = json_get(body, "writerFeatures"),
	};
}

static void read_metadata(struct json_value body, struct action *out)
{
	out->metadata.body = body;
}

static int64_t int_or(struct json_value v, int64_t absent)
{
	return json_type(v) == JSON_INT ? json_int(v) : absent;
}

static struct delta_dv read_dv(struct json_value body)
{
	mr_str storage = json_str(json_get(body, "storageType"));
	return (struct delta_dv){
	    .storage = storage.len == 1 ? storage.ptr[0] : '?',
	    .data = json_str(json_get(body, "pathOrInlineDv")),
	    .offset = int_or(json_get(body, "offset"), -1),
	    .size = int_or(json_get(body, "sizeInBytes"), -1),
	    .cardinality = int_or(json_get(body, "cardinality"), -1),
	};
}

static struct action_file read_file(struct json_value body)
{
	struct json_value dv = json_get(body, "deletionVector");
	bool has_dv = json_type(dv) == JSON_OBJECT;
	return (struct action_file){
	    .path = json_str(json_get(body, "path")),
	    .partition_values = json_get(body, "partitionValues"),
	    .size = json_int(json_get(body, "size")),
	    .data_change = json_bool(json_get(body, "dataChange")),
	    .has_dv = has_dv,
	    .dv = has_dv ? read_dv(dv) : (struct delta_dv){0},
	    .stats = json_str(json_get(body, "stats")),
	    .stats_parsed = json_get(body, "stats_parsed"),
	    .base_row_id = int_or(json_get(body, "baseRowId"), -1),
	    .default_row_commit_version = int_or(json_get(body, "defaultRowCommitVersion"), -1),
	    .tags = json_get(body, "tags"),
	    .clustering_provider = json_str(json_get(body, "clusteringProvider")),
	};
}

static void read_add(struct json_value body, struct action *out)
{
	out->file = read_file(body);
	out->file.time_ms = json_int(json_get(body, "modificationTime"));
}

static void read_remove(struct json_value body, struct action *out)
{
	out->file = read_file(body);
	out->file.time_ms = json_int(json_get(body, "deletionTimestamp"));
}

static void read_txn(struct json_value body, struct action *out)
{
	out->txn = (struct action_txn){
	    .app_id = json_str(json_get(body, "appId")),
	    .version = json_int(json_get(body, "version")),
	    .last_updated = json_int(json_get(body, "lastUpdated")),
	};
}

static void read_domain(struct json_value body, struct action *out)
{
	out->domain = (struct action_domain){
	    .domain = json_str(json_get(body, "domain")),
	    .removed = json_bool(json_get(body, "removed")),
	    .body = body,
	};
}

static void read_cdc(struct json_value body, struct action *out)
{
	out->file = read_file(body);
}

static void read_sidecar(struct json_value body, struct action *out)
{
	out->sidecar = (struct action_sidecar){
	    .path = json_str(json_get(body, "path")),
	    .size = json_int(json_get(body, "sizeInBytes")),
	};
}

static void read_commit_info(struct json_value body, struct action *out)
{
	out->commit_info = body;
}

static const struct {
	const char *name;
	const char *required; /* a field that must be there */
	enum action_kind kind;
	void (*read)(struct json_value body, struct action *out);
} kinds[] = {
    {"add", "path", ACTION_ADD, read_add},
    {"remove", "path", ACTION_REMOVE, read_remove},
    {"txn", "appId", ACTION_TXN, read_txn},
    {"commitInfo", NULL, ACTION_COMMIT_INFO, read_commit_info},
    {"metaData", "schemaString", ACTION_METADATA, read_metadata},
    {"protocol", "minReaderVersion", ACTION_PROTOCOL, read_protocol},
    {"domainMetadata", "domain", ACTION_DOMAIN, read_domain},
    {"cdc", "path", ACTION_CDC, read_cdc},
    {"sidecar", "path", ACTION_SIDECAR, read_sidecar},
    {"checkpointMetadata", "version", ACTION_CHECKPOINT, read_commit_info},
};

int delta_action_parse(struct json_parser *parser, mr_str line, struct action *out, struct mr_error *err)
{
	struct json_value root;
	int rc = json_parse(parser, line, &root, err);
	if (rc < 0)
		return mr_error_wrap(err, MR_ERR_CORRUPT, "not JSON"), MR_ERR_CORRUPT;
	if (json_type(root) != JSON_OBJECT)
		return mr_fail(err, MR_ERR_CORRUPT, "an action is a JSON object");
	out->kind = ACTION_OTHER;
	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct json_value body = json_get(root, kinds[i].name);
		if (json_type(body) != JSON_OBJECT)
			continue;
		enum json_type type =
		    kinds[i].required ? json_type(json_get(body, kinds[i].required)) : JSON_BOOL;
		if (type == JSON_NULL)
			return mr_fail(err, MR_ERR_CORRUPT, "%s has no %s", kinds[i].name, kinds[i].required);
		out->kind = kinds[i].kind;
		kinds[i].read(body, out);
		break;
	}
	return 0;
}

int delta_actions_parse(struct json_parser *parser, mr_str bytes, const char *name, action_fn fn, void *arg,
			struct mr_error *err)
{
	for (int number = 1; bytes.len; number++) {
		const char *end = memchr(bytes.ptr, '\n', bytes.len);
		mr_str line = mr_str_n(bytes.ptr, end ? (size_t)(end - bytes.ptr) : bytes.len);
		bytes = mr_str_tail(bytes, line.len + 1);
		if (line.len && line.ptr[line.len - 1] == '\r')
			line.len--;
		if (!line.len)
			continue;
		struct action action;
		int rc = delta_action_parse(parser, line, &action, err);
		if (rc == 0)
			rc = fn(arg, &action, err);
		if (rc < 0)
			return mr_error_wrap(err, rc, "%s:%d", name, number), rc;
		if (rc > 0)
			return rc;
	}
	return 0;
}
