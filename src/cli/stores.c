#include "cli/stores.h"

#include "base/mem.h"
#include "store/mount.h"
#include "store/s3.h"

#include <stdlib.h>
#include <unistd.h>

#define CACHE_BYTES_USUAL ((int64_t)10 << 30)

static const char *variable(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

static const char *set_variable(const char *name)
{
	const char *value = getenv(name);
	return value && *value ? value : NULL;
}

static int open_bucket(void *arg, const char *bucket, struct store **out, struct mr_error *err)
{
	(void)arg;
	struct aws_settings settings;
	struct store *store;
	int rc = aws_settings_load(env_linux()->disk, variable, NULL, &settings, err);
	if (rc < 0)
		return rc;
	rc = s3_open(env_linux(), bucket, &settings, &store, err);
	aws_settings_release(&settings);
	if (rc == 0)
		*out = store_retry_new(store, env_linux()->rng, &store_patience_usual);
	return rc;
}

static char *cache_root(void)
{
	const char *own = set_variable("MILLRACE_CACHE"), *cache = set_variable("XDG_CACHE_HOME");
	const char *home = set_variable("HOME");
	char *here = own && *own != '/' ? getcwd(NULL, 0) : NULL;
	char *root = own     ? mr_asprintf("%s%s%s", here ? here : "", here ? "/" : "", own)
		     : cache ? mr_asprintf("%s/millrace", cache)
		     : home  ? mr_asprintf("%s/.cache/millrace", home)
			     : mr_asprintf("/tmp/millrace-cache-%ld", (long)getuid());
	free(here);
	return root;
}

void stores_init(struct stores *stores)
{
	const char *text = set_variable("MILLRACE_CACHE_BYTES");
	long long bytes = text ? strtoll(text, NULL, 10) : 0;
	stores->root = cache_root();
	struct mount_options options = {.env = env_linux(),
					.root = stores->root,
					.cache_bytes_max = bytes > 0 ? bytes : CACHE_BYTES_USUAL,
					.open = open_bucket};
	stores->env = *env_linux();
	stores->env.disk = mount_new(&options);
}

void stores_release(struct stores *stores)
{
	if (stores->env.disk)
		mount_free(stores->env.disk);
	free(stores->root);
	*stores = (struct stores){0};
}
