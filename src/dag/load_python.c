/* dag/load_python.c - Python scripts that hold DAGs: somebody else reads them (docs/airflow.md), here
 * what they were read into becomes DAGs and faults. */
#include "dag/load_internal.h"

#include <stdlib.h>
#include <string.h>

#define SCRIPT_BYTES_MAX ((size_t)8 << 20)

/* As Airflow's safe mode: a script that does not say both words has no DAGs and is not run. */
static bool may_have_dags(struct mr_disk *disk, const char *path)
{
	struct mr_buf text = {0};
	bool may = disk_read_file(disk, path, SCRIPT_BYTES_MAX, &text, NULL) == 0;
	mr_buf_char(&text, '\0');
	may = may && strcasestr(text.ptr, "airflow") && strcasestr(text.ptr, "dag");
	mr_buf_release(&text);
	return may;
}

static void add_faults(const char *file, struct json_value faults, struct dag_set *set)
{
	for (struct json_iter it = json_iter(faults); json_next(&it);) {
		struct mr_error err = {0};
		mr_fail(&err, MR_ERR_INVALID, "%.*s", MR_FMT(json_str(json_get(it.value, "message"))));
		mr_error_where(&err, file, (int)json_int(json_get(it.value, "line")), 1);
		load_fault(set, file, json_str(json_get(it.value, "dag_id")), &err);
	}
}

static int take_line(const struct dag_load_options *options, struct json_parser *parser, mr_str line,
		     struct dag_set *set, struct mr_error *err)
{
	struct json_value answer;
	int rc = json_parse(parser, line, &answer, err);
	if (rc < 0)
		return mr_error_wrap(err, rc, "what Airflow's side said is no JSON");
	struct mr_buf dags = {0};
	char *file = mr_strndup(json_str(json_get(answer, "file")));
	add_faults(file, json_get(answer, "faults"), set);
	if (json_count(json_get(answer, "dags"))) {
		json_write_value(&dags, json_get(answer, "dags"));
		dag_load_text(options, file, mr_buf_view(&dags), set);
	}
	mr_buf_release(&dags);
	free(file);
	return 0;
}

static int take_lines(const struct dag_load_options *options, mr_str lines, struct dag_set *set,
		      struct mr_error *err)
{
	struct json_parser *parser = json_parser_new();
	int rc = 0;
	while (rc == 0 && lines.len) {
		const char *end = memchr(lines.ptr, '\n', lines.len);
		size_t len = end ? (size_t)(end - lines.ptr) : lines.len;
		rc = take_line(options, parser, mr_str_n(lines.ptr, len), set, err);
		lines = mr_str_tail(lines, len + (end != NULL));
	}
	json_parser_free(parser);
	return rc;
}

void load_scripts(const struct dag_load_options *options, const char *folder, char *const *files,
		  size_t count, struct dag_set *set)
{
	struct mr_error err = {0};
	struct mr_buf lines = {0};
	MR_VEC(char *) wanted = {0};
	for (size_t i = 0; i < count; i++)
		if (may_have_dags(options->disk, files[i]))
			mr_vec_push(&wanted, files[i]);
	int rc = wanted.len ? options->read_scripts(options->scripts_arg, folder, wanted.items, wanted.len,
						    &lines, &err)
			    : 0;
	if (rc == 0)
		rc = take_lines(options, mr_buf_view(&lines), set, &err);
	for (size_t i = 0; rc < 0 && i < wanted.len; i++)
		load_fault(set, wanted.items[i], MR_STR(""), &err);
	mr_vec_release(&wanted);
	mr_buf_release(&lines);
}
