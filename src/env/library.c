#include "env/library.h"

#include <dlfcn.h>
#include <string.h>

static int refuse(const struct library *library, struct mr_error *err)
{
	const char *why = dlerror();
	int rc = mr_fail(err, MR_ERR_UNAVAILABLE, "cannot load %s: %s", library->file, why ? why : "?");
	mr_hint(err,
		"install its package, or put the copy that came with the program into ../lib/millrace beside "
		"its bin folder; LD_LIBRARY_PATH may name another folder");
	return rc;
}

static int load(struct library *library, struct mr_error *err)
{
	void *handle = dlopen(library->file, RTLD_LAZY | RTLD_LOCAL);
	if (!handle)
		return refuse(library, err);
	for (size_t i = 0; i < library->count; i++) {
		void *found = dlsym(handle, library->names[i]);
		if (!found) {
			int rc = refuse(library, err);
			dlclose(handle);
			return rc;
		}
		memcpy((char *)library->calls + i * sizeof found, &found, sizeof found);
	}
	return 0;
}

int library_load(struct library *library, struct mr_error *err)
{
	pthread_mutex_lock(&library->lock);
	int rc = library->loaded ? 0 : load(library, err);
	library->loaded = rc == 0;
	pthread_mutex_unlock(&library->lock);
	return rc;
}
