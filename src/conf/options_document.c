/* conf/options_document.c - option tables as Markdown: one heading and one table a section. */
#include "conf/options.h"

#include <stdio.h>

static const char *type_text(const struct option *option)
{
	static const char *const names[] = {
	    [OPTION_STR] = "text",
	    [OPTION_BOOL] = "`true`, `false`",
	    [OPTION_INT32] = "whole number",
	    [OPTION_INT64] = "whole number",
	    [OPTION_SIZE] = "size",
	    [OPTION_SIZE32] = "size",
	    [OPTION_DURATION] = "duration",
	    [OPTION_NAMES] = "list of names",
	    [OPTION_SECTION] = "mapping",
	    [OPTION_LIST] = "list",
	    [OPTION_MAP] = "mapping by name",
	    [OPTION_CUSTOM] = "text",
	};
	return option->shown_type ? option->shown_type : names[option->type];
}

static void put_type(const struct option *option, struct mr_buf *out)
{
	if (option->type != OPTION_WORD) {
		mr_buf_cstr(out, type_text(option));
		if (option->type == OPTION_SIZE && option->min == -1)
			mr_buf_cstr(out, ", `unlimited`");
		if (option->type == OPTION_DURATION && option->min == -1)
			mr_buf_cstr(out, ", `forever`");
		return;
	}
	for (size_t i = 0; i < option->word_count; i++)
		mr_buf_printf(out, "%s`%s`", i ? ", " : "", option->words[i]);
}

static void put_row(const struct option *option, struct mr_buf *out)
{
	mr_buf_printf(out, "| `%s` | ", option->key);
	put_type(option, out);
	if (option->required)
		mr_buf_cstr(out, " | required");
	else if (option->shown_default)
		mr_buf_printf(out, " | %s", option->shown_default);
	else if (option->preset)
		mr_buf_printf(out, " | `%s`", option->preset);
	else
		mr_buf_cstr(out, " | ");
	mr_buf_printf(out, " | %s |\n", option->help);
}

static void put_table(const struct option_table *table, const char *path, struct mr_buf *out)
{
	mr_buf_printf(out, "\n## %s\n\n| Key | Type | Default | Meaning |\n| --- | --- | --- | --- |\n",
		      *path ? path : "Top level");
	for (size_t i = 0; i < table->count; i++)
		put_row(&table->options[i], out);
	for (size_t i = 0; i < table->count; i++) {
		const struct option *option = &table->options[i];
		static const char *const suffix[] = {
		    [OPTION_SECTION] = "", [OPTION_LIST] = "[]", [OPTION_MAP] = ".NAME"};
		char below[256];
		if (!option->table || option->table->count == 0)
			continue;
		snprintf(below, sizeof below, "%s%s%s%s", path, *path ? "." : "", option->key,
			 suffix[option->type]);
		put_table(option->table, below, out);
	}
}

void options_document(const struct option_table *table, struct mr_buf *out)
{
	put_table(table, "", out);
}
