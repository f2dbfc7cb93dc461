/* delta/checksum.c - N.crc: what version N adds up to, for whoever wants to check it.
 *
 * One JSON object beside the commit: bytes and number of files, protocol, metadata, applications'
 * versions, domains (protocol, "Version Checksum File"). It is written after the commit, never
 * over one that is there, and not synced: a version does not depend on it. When the log is read from
 * nothing and the version that is reached has one, the two must agree.
 */
#include "delta/internal.h"

#define CHECKSUM_BYTES_MAX ((size_t)64 << 20)
#define TXNS_MAX 1000 /* more are left out: the field may be */

static void write_txns(struct json_writer *w, const struct delta_log_state *state)
{
	if (state->txns.len > TXNS_MAX)
		return;
	json_key(w, "setTransactions");
	json_begin_array(w);
	mr_map_each (&state->txns, entry) {
		const struct txn_state *txn = entry->value;
		json_begin_object(w);
		json_member_str(w, "appId", mr_str_n(entry->key, entry->key_len));
		json_member_int(w, "version", txn->version);
		if (txn->last_updated)
			json_member_int(w, "lastUpdated", txn->last_updated);
		json_end_object(w);
	}
	json_end_array(w);
}

static void write_domains(struct json_writer *w, const struct delta_log_state *state)
{
	json_key(w, "domainMetadata");
	json_begin_array(w);
	mr_map_each (&state->domains, domain) {
		json_put_raw(w, mr_str_from(domain->value));
	}
	json_end_array(w);
}

static void write_body(struct mr_buf *out, const struct delta_log_state *state)
{
	struct json_writer w = json_writer(out);
	json_begin_object(&w);
	json_member_int(&w, "tableSizeBytes", state->size_bytes);
	json_member_int(&w, "numFiles", state->file_count);
	json_member_int(&w, "numMetadata", 1);
	json_member_int(&w, "numProtocol", 1);
	if (state->commit_ms >= 0)
		json_member_int(&w, "inCommitTimestampOpt", state->commit_ms);
	write_txns(&w, state);
	write_domains(&w, state);
	json_key(&w, "metadata");
	json_put_raw(&w, state->meta->json);
	delta_protocol_write(&w, state->protocol);
	json_end_object(&w);
}

void delta_checksum_write(struct delta_table *table)
{
	struct mr_buf body = {0};
	write_body(&body, table->state);
	/* Whatever comes of it, the commit stands. */
	int ignored = delta_store_put_checksum(table, table->state->version, mr_buf_view(&body), NULL);
	(void)ignored;
	mr_buf_release(&body);
}

static int compare(struct json_value root, const char *key, int64_t ours, const char *path,
		   struct mr_error *err)
{
	struct json_value theirs = json_get(root, key);
	if (json_type(theirs) != JSON_INT || json_int(theirs) == ours)
		return 0;
	mr_fail(err, MR_ERR_CORRUPT, "%s says %s %lld, and the log adds up to %lld", path, key,
		(long long)json_int(theirs), (long long)ours);
	return mr_hint(err,
		       "a file of the log was changed or lost; if the .crc file is what is wrong, remove it");
}

int delta_checksum_check(struct delta_table *table, const struct delta_log_state *state, struct mr_error *err)
{
	struct mr_buf body = {0};
	struct json_value root;
	char *path = mr_asprintf("%s/%020lld.crc", table->log_path, (long long)state->version);
	int rc = 0;
	/* One that cannot be read says nothing. */
	if (disk_read_file(table->env->disk, path, CHECKSUM_BYTES_MAX, &body, NULL) == 0 &&
	    json_parse(table->parser, mr_buf_view(&body), &root, NULL) == 0) {
		rc = compare(root, "numFiles", state->file_count, path, err);
		if (rc == 0)
			rc = compare(root, "tableSizeBytes", state->size_bytes, path, err);
	}
	mr_buf_release(&body);
	free(path);
	return rc;
}
