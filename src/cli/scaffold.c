#include "cli/scaffold.h"

#include "base/mem.h"
#include "cli/embedded.h"

#include <stdlib.h>

static int write_one(struct mr_disk *disk, const char *folder, const struct embedded_file *file,
		     struct mr_error *err)
{
	char *path = mr_asprintf("%s/%s", folder, file->path);
	char *parent = mr_strndup(mr_str_n(path, (size_t)(strrchr(path, '/') - path)));
	int rc = disk_mkdir_all(disk, parent, err);
	if (rc == 0)
		rc = disk_replace_file(disk, path, mr_str_n(file->bytes, file->size), err);
	free(parent);
	free(path);
	return rc;
}

int scaffold_write(struct mr_disk *disk, const char *folder, struct mr_error *err)
{
	char *file = mr_asprintf("%s/millrace.yml", folder);
	bool there = disk_exists(disk, file);
	free(file);
	if (there) {
		mr_fail(err, MR_ERR_EXISTS, "%s has a millrace.yml already", folder);
		return mr_hint(err, "name an empty folder: millrace init FOLDER");
	}
	int rc = 0;
	for (size_t i = 0; i < embedded_file_count && rc == 0; i++)
		rc = write_one(disk, folder, &embedded_files[i], err);
	return rc;
}
