#include "delta/conflict.h"

static bool contains(const mr_str *set, size_t count, mr_str item)
{
	for (size_t i = 0; i < count; i++)
		if (mr_str_eq(set[i], item))
			return true;
	return false;
}

static bool overlap(const mr_str *a, size_t a_count, const mr_str *b, size_t b_count, mr_str *which)
{
	for (size_t i = 0; i < a_count; i++) {
		if (!contains(b, b_count, a[i]))
			continue;
		*which = a[i];
		return true;
	}
	return false;
}

static bool domains_overlap(const struct conflict_mine *mine, const struct conflict_winner *winner,
			    mr_str *which)
{
	for (size_t i = 0; i < mine->domain_count; i++) {
		if (mr_str_is(mine->domains[i], "delta.rowTracking") ||
		    !contains(winner->domains, winner->domain_count, mine->domains[i]))
			continue;
		*which = mine->domains[i];
		return true;
	}
	return false;
}

static bool minds_adds(const struct conflict_mine *mine, const struct conflict_winner *winner)
{
	if (mine->changes_metadata)
		return mine->looks;
	if (!mine->looks || !mine->changes_data || mine->isolation == DELTA_SNAPSHOT)
		return false;
	return mine->isolation == DELTA_SERIALIZABLE || !winner->is_blind_append;
}

static bool adds_match(const struct conflict_mine *mine, const struct conflict_winner *winner, mr_str *which)
{
	if (!minds_adds(mine, winner))
		return false;
	for (size_t i = 0; i < winner->add_count; i++) {
		const struct conflict_file *add = &winner->adds[i];
		bool matches = mine->reads_table || !mine->may_match ||
			       mine->may_match(mine->may_match_arg, add->partition_values);
		if (!add->data_change || !matches)
			continue;
		*which = add->path;
		return true;
	}
	return false;
}

static bool removes_read(const struct conflict_mine *mine, const struct conflict_winner *winner,
			 mr_str *which)
{
	for (size_t i = 0; i < winner->remove_count; i++) {
		mr_str path = winner->removes[i].path;
		if (!mine->reads_table && !contains(mine->reads, mine->read_count, path))
			continue;
		*which = path;
		return true;
	}
	return false;
}

static bool removes_removed(const struct conflict_mine *mine, const struct conflict_winner *winner,
			    mr_str *which)
{
	for (size_t i = 0; i < winner->remove_count; i++) {
		if (!contains(mine->removes, mine->remove_count, winner->removes[i].path))
			continue;
		*which = winner->removes[i].path;
		return true;
	}
	return false;
}

enum delta_conflict delta_conflict_find(const struct conflict_mine *mine,
					const struct conflict_winner *winner, mr_str *which)
{
	mr_str ignored;
	if (!which)
		which = &ignored;
	*which = MR_STR("");
	if (winner->has_protocol && mine->changes_protocol)
		return CONFLICT_PROTOCOL;
	if (winner->has_metadata)
		return CONFLICT_METADATA;
	if (domains_overlap(mine, winner, which))
		return CONFLICT_DOMAIN;
	if (overlap(winner->apps, winner->app_count, mine->apps, mine->app_count, which))
		return CONFLICT_TRANSACTION;
	if (adds_match(mine, winner, which))
		return CONFLICT_APPEND;
	if (removes_read(mine, winner, which))
		return CONFLICT_DELETE_READ;
	if (removes_removed(mine, winner, which))
		return CONFLICT_DELETE_DELETE;
	return CONFLICT_NONE;
}

const char *delta_conflict_text(enum delta_conflict conflict)
{
	static const char *const texts[] = {
	    [CONFLICT_NONE] = "no conflict",
	    [CONFLICT_PROTOCOL] = "the protocol was changed (ProtocolChangedException)",
	    [CONFLICT_METADATA] = "the table's metadata was changed (MetadataChangedException)",
	    [CONFLICT_DOMAIN] = "the same domain metadata was written (ConcurrentDomainMetadataException)",
	    [CONFLICT_TRANSACTION] = "the same application wrote (ConcurrentTransactionException)",
	    [CONFLICT_APPEND] = "files were added where this operation looked (ConcurrentAppendException)",
	    [CONFLICT_DELETE_READ] =
		"a file that this operation read was removed (ConcurrentDeleteReadException)",
	    [CONFLICT_DELETE_DELETE] =
		"a file that this operation removes was removed (ConcurrentDeleteDeleteException)",
	};
	return texts[conflict];
}
