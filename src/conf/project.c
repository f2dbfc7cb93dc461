#include "conf/project.h"

#include "base/buf.h"
#include "conf/expand.h"
#include "conf/files.h"
#include "conf/keys.h"
#include "conf/nearest.h"
#include "env/env.h"

#include <limits.h>
#include <stdlib.h>

#define PROJECT_BYTES_MAX ((size_t)1 << 20)

static const char *environment(const char *name)
{
	return getenv(name);
}

static int find_file(struct mr_disk *disk, struct project *project, struct mr_error *err)
{
	static const char *const names[] = {CONF_PROJECT_FILE, CONF_SPARK_FILE};
	for (size_t i = 0; i < MR_COUNT(names); i++) {
		project->file = arena_printf(&project->arena, "%s/%s", project->folder, names[i]).ptr;
		if (disk_exists(disk, project->file))
			return 0;
	}
	mr_fail(err, MR_ERR_NOT_FOUND, "no project in '%s': neither %s nor %s is there", project->folder,
		names[0], names[1]);
	mr_hint(err, "name the project folder, or make one: millrace init DIR");
	return MR_ERR_NOT_FOUND;
}

static const struct conf_topic *find_topic(const struct project *project, mr_str name)
{
	for (size_t i = 0; i < project->topic_count; i++)
		if (mr_str_eq(project->topics[i].name, name))
			return &project->topics[i];
	return NULL;
}

static int fail_topic(const struct project *project, size_t index, struct mr_error *err)
{
	const struct conf_ingest *ingest = &project->ingests[index];
	const char **names = mr_calloc(project->topic_count + 1, sizeof *names);
	for (size_t i = 0; i < project->topic_count; i++)
		names[i] = project->topics[i].name.ptr;
	mr_fail(err, MR_ERR_INVALID, "ingest[%zu].topic: '%.*s' is not a topic of this file", index,
		(int)mr_min_size(ingest->topic.len, 60), ingest->topic.ptr);
	mr_error_where(err, project->file, ingest->line, 0);
	const char *near = conf_nearest(ingest->topic, names, project->topic_count);
	if (near)
		mr_hint(err, "did you mean '%s'?", near);
	else
		mr_hint(err, "name it under `topics:`");
	free(names);
	return MR_ERR_INVALID;
}

static int check_ingests(const struct project *project, struct mr_error *err)
{
	for (size_t i = 0; i < project->ingest_count; i++) {
		const struct conf_ingest *ingest = &project->ingests[i];
		if (!find_topic(project, ingest->topic))
			return fail_topic(project, i, err);
		for (size_t j = 0; j < i; j++) {
			const struct conf_ingest *other = &project->ingests[j];
			if (other->table.len != ingest->table.len ||
			    strcasecmp(other->table.ptr, ingest->table.ptr) != 0)
				continue;
			mr_fail(err, MR_ERR_INVALID,
				"ingest[%zu].table: %.*s is filled by ingest[%zu] already, on line %d", i,
				MR_FMT(ingest->table), j, other->line);
			mr_error_where(err, project->file, ingest->line, 0);
			mr_hint(err, "one ingest fills one table: choose another name");
			return MR_ERR_INVALID;
		}
	}
	return 0;
}

static mr_str folder_name(struct project *project)
{
	char full[PATH_MAX];
	if (!realpath(project->folder, full))
		return MR_STR("millrace");
	const char *slash = strrchr(full, '/');
	return slash && slash[1] ? arena_copy(&project->arena, mr_str_from(slash + 1)) : MR_STR("millrace");
}

static int load(struct mr_disk *disk, struct project *project, struct mr_error *err)
{
	int rc = find_file(disk, project, err);
	if (rc < 0)
		return rc;
	struct mr_buf text = {0};
	struct expand_context context = {disk, project->folder, environment};
	struct yaml_expander expander = {conf_expand, &context};
	struct option_reader reader = {&project->arena, disk, project->file, project->folder};
	struct yaml_node *root = NULL;
	rc = disk_read_file(disk, project->file, PROJECT_BYTES_MAX, &text, err);
	if (rc == 0)
		rc = yaml_read(&project->arena, project->file, mr_buf_view(&text), &expander, &root, err);
	mr_buf_release(&text);
	if (rc == 0)
		rc = options_fill(&reader, &conf_project_table, root, project, err);
	if (rc == 0)
		rc = check_ingests(project, err);
	if (rc == 0)
		rc = conf_load_sql_files(disk, project, err);
	if (rc == 0 && !project->name.len)
		project->name = folder_name(project);
	return rc;
}

int project_load(const char *folder, struct project **out, struct mr_error *err)
{
	struct mr_error unseen;
	struct project *project = mr_calloc(1, sizeof *project);
	arena_init(&project->arena, 64 << 10);
	project->folder = arena_strdup(&project->arena, folder);
	int rc = load(env_linux()->disk, project, err ? err : &unseen);
	if (rc < 0) {
		project_free(project);
		return rc;
	}
	*out = project;
	return 0;
}

int project_default(const char *data, struct project **out, struct mr_error *err)
{
	struct project *project = mr_calloc(1, sizeof *project);
	arena_init(&project->arena, 4096);
	project->folder = project->file = "";
	struct option_reader reader = {
	    .arena = &project->arena, .disk = env_linux()->disk, .file = "", .folder = "."};
	int rc = options_fill(&reader, &conf_project_table, NULL, project, err);
	if (rc < 0) {
		project_free(project);
		return rc;
	}
	project->data = arena_strdup(&project->arena, data);
	*out = project;
	return 0;
}

void project_free(struct project *project)
{
	if (!project)
		return;
	arena_release(&project->arena);
	free(project);
}

void project_document_keys(struct mr_buf *out)
{
	options_document(&conf_project_table, out);
}
