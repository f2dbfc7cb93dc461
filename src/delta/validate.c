/* delta/validate.c - the checks that every commit passes. See validate.h.
 *
 * The lines are read twice: first for the protocol and the metadata that the version will have, then
 * each action is held against them. What is checked of protocol and metadata is in validate_metadata.c, of
 * files in validate_files.c, of all else here. Source: PROTOCOL.md, sections "Actions", "Action
 * Reconciliation" and "Table Features".
 */
#include "delta/validate.h"

#include "delta/validate_checks.h"

#include <stdio.h>

struct seen *validation_note(struct validation *v, struct mr_map *map, mr_str key,
			     const struct action_file *file)
{
	struct seen *seen = arena_calloc(&v->arena, 1, sizeof *seen);
	if (file && file->has_dv) {
		*seen = (struct seen){.has_dv = true, .dv = file->dv};
		seen->dv.data = arena_copy(&v->arena, file->dv.data);
	}
	return mr_map_put(map, key, seen);
}

static int one_info(struct validation *v, const struct action *action, struct mr_error *err)
{
	struct json_value at = json_get(action->commit_info, "inCommitTimestamp");
	v->info_first = v->actions == 0;
	v->commit_ms = json_type(at) == JSON_INT ? json_int(at) : -1;
	return ++v->infos > 1 ? mr_fail(err, MR_ERR_INVALID, "there are two commitInfo actions") : 0;
}

static int domain_once(struct validation *v, const struct action *action, struct mr_error *err)
{
	mr_str domain = action->domain.domain;
	if (!validation_has(v, "domainMetadata"))
		return mr_fail(err, MR_ERR_INVALID, "domain metadata without the feature domainMetadata");
	if (validation_note(v, &v->domains, domain, NULL))
		return mr_fail(err, MR_ERR_INVALID, "the domain %.*s is written twice", MR_FMT(domain));
	if (json_type(json_get(action->domain.body, "configuration")) != JSON_STRING ||
	    json_type(json_get(action->domain.body, "removed")) != JSON_BOOL)
		return mr_fail(err, MR_ERR_INVALID, "the domain %.*s lacks configuration or removed",
			       MR_FMT(domain));
	return 0;
}

/* Domains "delta." belong to features; nobody else writes them. */
static int domain_system(struct validation *v, const struct action *action, struct mr_error *err)
{
	static const char *const owned[][2] = {{"delta.clustering", "clustering"},
					       {"delta.rowTracking", "rowTracking"}};
	mr_str domain = action->domain.domain;
	if (!mr_str_starts(domain, MR_STR("delta.")))
		return 0;
	for (size_t i = 0; i < MR_COUNT(owned); i++)
		if (mr_str_is(domain, owned[i][0]) && validation_has(v, owned[i][1]))
			return 0;
	return mr_fail(err, MR_ERR_INVALID, "the domain %.*s is not one to write to", MR_FMT(domain));
}

static int row_domain(struct validation *v, const struct action *action, struct mr_error *err)
{
	if (!mr_str_is(action->domain.domain, ROW_TRACKING_DOMAIN))
		return 0;
	v->mark = delta_row_id_mark_of(v->inner, json_str(json_get(action->domain.body, "configuration")));
	if (action->domain.removed || v->mark < v->mark_before)
		return mr_fail(err, MR_ERR_INVALID, "the highest row id would fall from %lld to %lld",
			       (long long)v->mark_before, (long long)v->mark);
	return 0;
}

static int txn_once(struct validation *v, const struct action *action, struct mr_error *err)
{
	if (validation_note(v, &v->apps, action->txn.app_id, NULL))
		return mr_fail(err, MR_ERR_INVALID, "the application %.*s has two txn actions",
			       MR_FMT(action->txn.app_id));
	return action->txn.app_id.len ? 0 : mr_fail(err, MR_ERR_INVALID, "a txn action of nobody");
}

static int known_kind(struct validation *v, const struct action *action, struct mr_error *err)
{
	return mr_fail(err, MR_ERR_INVALID, "this is no action of a commit");
}

/* ---- of the commit as a whole ---- */

static int first_version(struct validation *v, struct mr_error *err)
{
	if (!v->before && (!v->protocols || !v->metas))
		return mr_fail(err, MR_ERR_INVALID, "version 0 has no %s",
			       v->protocols ? "metaData" : "protocol");
	return 0;
}

static int commit_timestamp(struct validation *v, struct mr_error *err)
{
	if (!delta_commit_time_inside(v->meta))
		return 0;
	if (!v->info_first || v->commit_ms < 0)
		return mr_fail(err, MR_ERR_INVALID, "its first line is no commitInfo with inCommitTimestamp");
	if (v->before && v->before->commit_ms >= v->commit_ms)
		return mr_fail(err, MR_ERR_INVALID,
			       "its inCommitTimestamp is not above the previous one, %lld",
			       (long long)v->before->commit_ms);
	return 0;
}

/* Readers of older versions have to know since when timestamps count. */
static int commit_timestamp_since(struct validation *v, struct mr_error *err)
{
	char version[24], time[24];
	if (!v->before || !delta_commit_time_inside(v->meta) || delta_commit_time_inside(v->before->meta))
		return 0;
	snprintf(version, sizeof version, "%lld", (long long)v->before->version + 1);
	snprintf(time, sizeof time, "%lld", (long long)v->commit_ms);
	if (!validation_property_is(v, "delta.inCommitTimestampEnablementVersion", version) ||
	    !validation_property_is(v, "delta.inCommitTimestampEnablementTimestamp", time))
		return mr_fail(err, MR_ERR_INVALID,
			       "in-commit timestamps are enabled, but not noted since when");
	return 0;
}

static const struct action_check action_checks[] = {
    {"action-kind", KIND(ACTION_SIDECAR) | KIND(ACTION_CHECKPOINT) | KIND(ACTION_OTHER), known_kind},
    {"one-commit-info", KIND(ACTION_COMMIT_INFO), one_info},
    {"domain-once", KIND(ACTION_DOMAIN), domain_once},
    {"domain-system", KIND(ACTION_DOMAIN), domain_system},
    {"row-domain", KIND(ACTION_DOMAIN), row_domain},
    {"txn-once", KIND(ACTION_TXN), txn_once},
};

static const struct commit_check commit_checks[] = {
    {"first-version", first_version},
    {"commit-timestamp", commit_timestamp},
    {"commit-timestamp-since", commit_timestamp_since},
};

static const struct check_tables other_checks = {action_checks, MR_COUNT(action_checks), commit_checks,
						 MR_COUNT(commit_checks)};

static const struct check_tables *const tables[] = {&delta_metadata_checks, &other_checks,
						    &delta_file_checks};

const char *delta_validation_name(size_t i)
{
	for (size_t t = 0; t < MR_COUNT(tables); t++) {
		if (i < tables[t]->action_count)
			return tables[t]->actions[i].name;
		i -= tables[t]->action_count;
	}
	for (size_t t = 0; t < MR_COUNT(tables); t++) {
		if (i < tables[t]->commit_count)
			return tables[t]->commits[i].name;
		i -= tables[t]->commit_count;
	}
	return NULL;
}

/* ---- the two passes ---- */

static int find_state(void *arg, const struct action *action, struct mr_error *err)
{
	struct validation *v = arg;
	if (action->kind == ACTION_PROTOCOL && !v->protocols++) {
		delta_protocol_copy(&v->listed, &action->protocol);
		v->protocol = &v->listed;
	}
	if (action->kind != ACTION_METADATA || v->metas++)
		return 0;
	struct table_meta *meta;
	int rc = delta_meta_parse(v->inner, &action->metadata, &meta, err);
	if (rc == 0) {
		delta_meta_unref(v->meta);
		v->meta = meta;
	}
	return rc;
}

static int check_action(void *arg, const struct action *action, struct mr_error *err)
{
	struct validation *v = arg;
	for (size_t t = 0; t < MR_COUNT(tables); t++) {
		for (size_t i = 0; i < tables[t]->action_count; i++) {
			const struct action_check *check = &tables[t]->actions[i];
			int rc = check->kinds & KIND(action->kind) ? check->fn(v, action, err) : 0;
			if (rc < 0)
				return mr_error_wrap(err, MR_ERR_INVALID, "%s", check->name), MR_ERR_INVALID;
		}
	}
	v->actions++;
	return 0;
}

static int check_commit(struct validation *v, struct mr_error *err)
{
	for (size_t t = 0; t < MR_COUNT(tables); t++) {
		for (size_t i = 0; i < tables[t]->commit_count; i++) {
			const struct commit_check *check = &tables[t]->commits[i];
			if (check->fn(v, err) < 0)
				return mr_error_wrap(err, MR_ERR_INVALID, "%s", check->name), MR_ERR_INVALID;
		}
	}
	return 0;
}

static int validate(struct validation *v, mr_str lines, struct json_parser *parser, struct mr_error *err)
{
	static const char name[] = "commit";
	bool declares = memmem(lines.ptr, lines.len, "\"metaData\"", 10) ||
			memmem(lines.ptr, lines.len, "\"protocol\"", 10);
	int rc = declares ? delta_actions_parse(parser, lines, name, find_state, v, err) : 0;
	if (rc == 0 && (!v->protocol || !v->meta))
		rc = first_version(v, err) < 0
			 ? (mr_error_wrap(err, MR_ERR_INVALID, "%s", "first-version"), MR_ERR_INVALID)
			 : 0;
	if (rc == 0)
		rc = delta_actions_parse(parser, lines, name, check_action, v, err);
	return rc == 0 ? check_commit(v, err) : rc;
}

int delta_validate_actions(const struct delta_log_state *before, mr_str lines, struct json_parser *parser,
			   struct mr_error *err)
{
	struct validation v = {.before = before, .inner = json_parser_new(), .commit_ms = -1};
	v.mark = v.mark_before = delta_row_id_mark(v.inner, before);
	if (before) {
		v.protocol = before->protocol;
		v.meta = delta_meta_ref(before->meta);
	}
	int rc = validate(&v, lines, parser, err);
	delta_meta_unref(v.meta);
	delta_protocol_release(&v.listed);
	mr_map_release(&v.adds);
	mr_map_release(&v.removes);
	mr_map_release(&v.domains);
	mr_map_release(&v.apps);
	mr_vec_release(&v.fresh);
	arena_release(&v.arena);
	json_parser_free(v.inner);
	if (rc < 0) {
		mr_error_wrap(err, MR_ERR_INVALID, "the commit breaks the protocol");
		mr_hint(err, "nothing was changed; this is a defect of what made the commit");
		return MR_ERR_INVALID;
	}
	return 0;
}
