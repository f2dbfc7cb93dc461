#include "ingest/layout.h"

#include <stdlib.h>

#define NOWHERE SIZE_MAX

static const struct column_def text_columns[] = {
    {.name = {"key", 3}, .type = COL_STRING},
    {.name = {"value", 5}, .type = COL_STRING},
};

static const struct column_def kafka_columns[] = {
    {.name = {"kafka_topic", 11}, .type = COL_STRING},
    {.name = {"kafka_partition", 15}, .type = COL_INTEGER},
    {.name = {"kafka_offset", 12}, .type = COL_LONG},
    {.name = {"kafka_timestamp", 15}, .type = COL_TIMESTAMP},
};

static size_t find(const struct event_layout *layout, mr_str name)
{
	for (size_t i = 0; i < layout->column_count; i++) {
		if (mr_str_eq(layout->columns[i].name, name))
			return i;
	}
	return NOWHERE;
}

static int add(struct event_layout *layout, const struct column_def *def, struct mr_error *err)
{
	if (find(layout, def->name) != NOWHERE) {
		mr_fail(err, MR_ERR_INVALID, "table %.*s would have two columns \"%.*s\"",
			MR_FMT(layout->table), MR_FMT(def->name));
		return mr_hint(err, "rename the property in the schema of topic %.*s", MR_FMT(layout->topic));
	}
	struct column_def *to = &layout->columns[layout->column_count++];
	*to = *def;
	to->name = arena_copy(&layout->arena, def->name);
	return 0;
}

/* Which column `date` is taken from. */
static int find_date_source(struct event_layout *layout, mr_str date_from, struct mr_error *err)
{
	layout->date_from = NOWHERE;
	for (size_t i = 0; i < layout->json_count; i++) {
		bool named = mr_str_eq(layout->columns[i].name, date_from);
		if (layout->columns[i].type == COL_TIMESTAMP && (named || !date_from.len)) {
			layout->date_from = i;
			return 0;
		}
	}
	if (date_from.len && !mr_str_is(date_from, "kafka_timestamp")) {
		mr_fail(err, MR_ERR_INVALID, "table %.*s: date_from \"%.*s\" is no timestamp of topic %.*s",
			MR_FMT(layout->table), MR_FMT(date_from), MR_FMT(layout->topic));
		return mr_hint(err, "name a date-time property of its schema, or kafka_timestamp");
	}
	return 0;
}

static int add_partitions(struct event_layout *layout, const struct event_layout_options *options,
			  struct mr_error *err)
{
	layout->partition_by = arena_calloc(&layout->arena, options->partition_count + 1, sizeof(mr_str));
	for (size_t i = 0; i < options->partition_count; i++) {
		if (find(layout, options->partition_by[i]) == NOWHERE) {
			mr_fail(err, MR_ERR_INVALID, "table %.*s: partition_by names no column \"%.*s\"",
				MR_FMT(layout->table), MR_FMT(options->partition_by[i]));
			return mr_hint(err, "name a property of the schema of topic %.*s, or date",
				       MR_FMT(layout->topic));
		}
		layout->partition_by[layout->partition_count++] =
		    arena_copy(&layout->arena, options->partition_by[i]);
	}
	return 0;
}

static bool wants_date(const struct event_layout *layout, const struct event_layout_options *options)
{
	for (size_t i = 0; i < options->partition_count; i++) {
		if (mr_str_is(options->partition_by[i], "date") && find(layout, MR_STR("date")) == NOWHERE)
			return true;
	}
	/* Without a contract the table has it in any case. */
	return !options->contract;
}

static int fill(struct event_layout *layout, const struct event_layout_options *options, struct mr_error *err)
{
	const struct column_def *first = options->contract ? options->contract : text_columns;
	size_t first_count = options->contract ? options->contract_count : MR_COUNT(text_columns);
	int rc = 0;
	layout->columns =
	    arena_calloc(&layout->arena, first_count + MR_COUNT(kafka_columns) + 1, sizeof *layout->columns);
	for (size_t i = 0; i < first_count && rc == 0; i++)
		rc = add(layout, &first[i], err);
	layout->json_count = options->contract ? options->contract_count : 0;
	if (rc == 0 && wants_date(layout, options)) {
		layout->has_date = true;
		layout->date_column = layout->column_count;
		rc = find_date_source(layout, options->date_from, err);
		if (rc == 0)
			rc = add(layout, &(struct column_def){.name = MR_STR("date"), .type = COL_DATE}, err);
	}
	layout->kafka_column = layout->column_count;
	for (size_t i = 0; i < MR_COUNT(kafka_columns) && rc == 0; i++)
		rc = add(layout, &kafka_columns[i], err);
	return rc < 0 ? rc : add_partitions(layout, options, err);
}

int event_layout_new(const struct event_layout_options *options, struct event_layout **out,
		     struct mr_error *err)
{
	struct event_layout *layout = mr_calloc(1, sizeof *layout);
	layout->topic = arena_copy(&layout->arena, options->topic);
	layout->table = arena_copy(&layout->arena, options->table);
	int rc = fill(layout, options, err);
	if (rc < 0) {
		event_layout_free(layout);
		return rc;
	}
	*out = layout;
	return 0;
}

void event_layout_free(struct event_layout *layout)
{
	if (!layout)
		return;
	arena_release(&layout->arena);
	free(layout);
}
