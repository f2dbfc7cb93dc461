/* delta/retire.c - what of deletion vectors the log still tells, for the feature to be dropped: a vector of a
 * file that came or went, or the property that asks for them. */
#include "delta/internal.h"

static bool mentions_vectors(mr_str lines)
{
	static const char *const marks[] = {"\"deletionVector\":{",
					    "\"delta.enableDeletionVectors\":\"true\""};
	for (size_t i = 0; i < MR_COUNT(marks) && lines.len; i++)
		if (memmem(lines.ptr, lines.len, marks[i], strlen(marks[i])))
			return true;
	return false;
}

int delta_vectors_last_seen(struct delta_table *table, int64_t *version, int64_t *ms, struct mr_error *err)
{
	struct delta_log_listing listing;
	int64_t found = -1;
	pthread_mutex_lock(&table->lock);
	int rc = delta_log_advance(table, err);
	if (rc == 0)
		rc = delta_store_list(table, &listing, err);
	for (size_t i = rc == 0 ? listing.commits.len : 0; i-- > 0 && rc == 0 && found < 0;) {
		struct mr_buf lines = {0};
		rc = delta_store_read_commit(table, listing.commits.items[i].version, &lines, err);
		if (rc == 0 && mentions_vectors(mr_buf_view(&lines)))
			found = listing.commits.items[i].version;
		mr_buf_release(&lines);
	}
	if (rc == 0)
		delta_log_listing_release(&listing);
	if (rc == 0 && found >= 0)
		rc = delta_commit_time_of(table, found, ms, err);
	pthread_mutex_unlock(&table->lock);
	if (rc == 0)
		*version = found;
	return rc;
}
