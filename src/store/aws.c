#include "store/aws.h"

#include "base/buf.h"
#include "base/mem.h"

#include <stdlib.h>

#define FILE_BYTES_MAX ((size_t)1 << 20)

struct finding {
	aws_variable_fn variable;
	void *arg;
	const char *profile;
	struct mr_buf credentials, config; /* the files' text */
};

static const char *variable(const struct finding *f, const char *name)
{
	const char *value = f->variable(f->arg, name);
	return value && *value ? value : NULL;
}

static mr_str trimmed(mr_str s)
{
	while (s.len && strchr(" \t\r", *s.ptr) && *s.ptr)
		s = mr_str_tail(s, 1);
	while (s.len && strchr(" \t\r", s.ptr[s.len - 1]) && s.ptr[s.len - 1])
		s.len--;
	return s;
}

static mr_str next_line(mr_str *text)
{
	const char *end = memchr(text->ptr, '\n', text->len);
	mr_str line = mr_str_n(text->ptr, end ? (size_t)(end - text->ptr) : text->len);
	*text = mr_str_tail(*text, line.len + 1);
	return trimmed(line);
}

/* "[NAME]", or "[profile NAME]" */
static bool is_section(mr_str line, const char *name)
{
	line = trimmed(mr_str_n(line.ptr + 1, line.len - 1));
	if (!mr_str_ends(line, MR_STR("]")))
		return false;
	line = trimmed(mr_str_n(line.ptr, line.len - 1));
	if (mr_str_starts(line, MR_STR("profile ")))
		line = trimmed(mr_str_tail(line, 8));
	return mr_str_is(line, name);
}

/* The profile's setting, to be freed; NULL: not there. */
static char *profile_value(const struct mr_buf *file, const char *profile, const char *name)
{
	mr_str text = mr_buf_view(file);
	bool inside = false;
	while (text.len) {
		mr_str line = next_line(&text);
		if (!line.len || *line.ptr == '#' || *line.ptr == ';')
			continue;
		if (*line.ptr == '[') {
			inside = is_section(line, profile);
			continue;
		}
		const char *equals = memchr(line.ptr, '=', line.len);
		if (!inside || !equals)
			continue;
		size_t at = (size_t)(equals - line.ptr);
		mr_str value = trimmed(mr_str_tail(line, at + 1));
		if (mr_str_is(trimmed(mr_str_n(line.ptr, at)), name) && value.len)
			return mr_strndup(value);
	}
	return NULL;
}

static char *of_profile(const struct finding *f, const char *name)
{
	char *value = profile_value(&f->credentials, f->profile, name);
	return value ? value : profile_value(&f->config, f->profile, name);
}

static char *first_of(const struct finding *f, const char *a, const char *b, const char *name)
{
	const char *value = variable(f, a);
	if (!value && b)
		value = variable(f, b);
	return value ? mr_strdup(value) : of_profile(f, name);
}

static void read_file(struct finding *f, struct mr_disk *disk, const char *name, const char *usual,
		      struct mr_buf *out)
{
	const char *home = variable(f, "HOME"), *given = variable(f, name);
	char *path = given ? mr_strdup(given) : mr_asprintf("%s/.aws/%s", home ? home : "", usual);
	int ignored = disk_read_file(disk, path, FILE_BYTES_MAX, out, NULL);
	(void)ignored; /* a file that is not there says nothing */
	free(path);
}

static int no_keys(const struct finding *f, struct mr_error *err)
{
	static const char *const variables[] = {"AWS_WEB_IDENTITY_TOKEN_FILE",
						"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
						"AWS_CONTAINER_CREDENTIALS_FULL_URI"};
	static const char *const settings[] = {"role_arn", "sso_session", "sso_start_url",
					       "credential_process"};
	static const char way_out[] =
	    "aws configure export-credentials --format env prints keys that are taken";
	for (size_t i = 0; i < MR_COUNT(variables); i++) {
		if (!variable(f, variables[i]))
			continue;
		mr_fail(err, MR_ERR_UNSUPPORTED, "credentials for S3 by %s are not supported", variables[i]);
		return mr_hint(err, way_out);
	}
	for (size_t i = 0; i < MR_COUNT(settings); i++) {
		char *value = of_profile(f, settings[i]);
		free(value);
		if (!value)
			continue;
		mr_fail(err, MR_ERR_UNSUPPORTED, "credentials for S3 by %s (profile %s) are not supported",
			settings[i], f->profile);
		return mr_hint(err, way_out);
	}
	mr_fail(err, MR_ERR_INVALID, "there are no credentials for S3 (profile %s)", f->profile);
	return mr_hint(
	    err, "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run aws configure; the roles of an "
		 "instance are not asked for");
}

static void take_keys(const struct finding *f, struct aws_settings *s)
{
	const char *access = variable(f, "AWS_ACCESS_KEY_ID"), *secret = variable(f, "AWS_SECRET_ACCESS_KEY");
	if (access && secret) {
		const char *token = variable(f, "AWS_SESSION_TOKEN");
		s->access_key = mr_strdup(access);
		s->secret_key = mr_strdup(secret);
		s->session_token = token ? mr_strdup(token) : NULL;
		return;
	}
	s->access_key = of_profile(f, "aws_access_key_id");
	s->secret_key = of_profile(f, "aws_secret_access_key");
	s->session_token = of_profile(f, "aws_session_token");
}

int aws_settings_load(struct mr_disk *disk, aws_variable_fn fn, void *arg, struct aws_settings *out,
		      struct mr_error *err)
{
	struct finding f = {.variable = fn, .arg = arg};
	f.profile = variable(&f, "AWS_PROFILE");
	if (!f.profile)
		f.profile = "default";
	read_file(&f, disk, "AWS_SHARED_CREDENTIALS_FILE", "credentials", &f.credentials);
	read_file(&f, disk, "AWS_CONFIG_FILE", "config", &f.config);
	struct aws_settings s = {0};
	const char *virtual_host = variable(&f, "AWS_VIRTUAL_HOSTED_STYLE_REQUEST");
	take_keys(&f, &s);
	s.region = first_of(&f, "AWS_REGION", "AWS_DEFAULT_REGION", "region");
	s.endpoint = first_of(&f, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "endpoint_url");
	s.virtual_host = !s.endpoint || (virtual_host && strcmp(virtual_host, "true") == 0);
	if (!s.region)
		s.region = mr_strdup("us-east-1");
	int rc = s.access_key && s.secret_key ? 0 : no_keys(&f, err);
	mr_buf_release(&f.credentials);
	mr_buf_release(&f.config);
	if (rc < 0)
		aws_settings_release(&s);
	else
		*out = s;
	return rc;
}

void aws_settings_release(struct aws_settings *settings)
{
	free(settings->access_key);
	free(settings->secret_key);
	free(settings->session_token);
	free(settings->region);
	free(settings->endpoint);
	*settings = (struct aws_settings){0};
}
