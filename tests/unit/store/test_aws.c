/* Who we are to S3: the environment, files and profiles, and what is refused by name; its listings. */
#include "base/mem.h"
#include "store/s3.h"
#include "test.h"

#include <stdlib.h>

struct variables {
	const char *const *pairs; /* name, value, ..., NULL */
};

static const char *variable(void *arg, const char *name)
{
	const struct variables *v = arg;
	for (size_t i = 0; v->pairs[i]; i += 2)
		if (strcmp(v->pairs[i], name) == 0)
			return v->pairs[i + 1];
	return NULL;
}

static int load(const char *const *pairs, struct aws_settings *out, struct mr_error *err)
{
	struct variables v = {pairs};
	return aws_settings_load(env_linux()->disk, variable, &v, out, err);
}

static void check_keys(struct aws_settings *s, const char *access, const char *secret, const char *region)
{
	CHECK_STR(mr_str_from(s->access_key), access);
	CHECK_STR(mr_str_from(s->secret_key), secret);
	CHECK_STR(mr_str_from(s->region), region);
}

TEST(aws_settings_of_the_environment_come_first)
{
	struct mr_error err = {0};
	struct aws_settings s;
	const char *const pairs[] = {"AWS_ACCESS_KEY_ID",
				     "A",
				     "AWS_SECRET_ACCESS_KEY",
				     "S",
				     "AWS_SESSION_TOKEN",
				     "T",
				     "AWS_ENDPOINT_URL",
				     "http://x",
				     "AWS_ENDPOINT_URL_S3",
				     "http://y",
				     NULL};
	CHECK_OK(load(pairs, &s, &err), err);
	check_keys(&s, "A", "S", "us-east-1");
	CHECK_STR(mr_str_from(s.session_token), "T");
	CHECK_STR(mr_str_from(s.endpoint), "http://y");
	CHECK(!s.virtual_host);
	aws_settings_release(&s);
}

TEST(aws_settings_of_profiles)
{
	struct mr_error err = {0};
	struct aws_settings s;
	const char *home = test_folder();
	CHECK_OK(disk_mkdir_all(env_linux()->disk, test_path("%s/.aws", home), &err), err);
	CHECK_OK(
	    disk_replace_file(env_linux()->disk, test_path("%s/.aws/credentials", home),
			      MR_STR("# keys\n[default]\naws_access_key_id = D\naws_secret_access_key=DS\r\n"
				     "[ work ]\naws_access_key_id=W\naws_secret_access_key=W+/=\n"),
			      &err),
	    err);
	CHECK_OK(disk_replace_file(env_linux()->disk, test_path("%s/.aws/config", home),
				   MR_STR("[profile work]\nregion = eu-west-1\nendpoint_url = http://e\n"
					  "[profile sso]\nsso_start_url = https://x\n"),
				   &err),
		 err);
	const char *const plain[] = {"HOME", home, NULL}, *const work[] = {"HOME", home, "AWS_PROFILE",
									   "work", NULL};
	const char *const sso[] = {"HOME", home, "AWS_PROFILE", "sso", NULL}, *const none[] = {"HOME", home,
											       "AWS_PROFILE",
											       "x", NULL};
	const char *const web[] = {"HOME", home, "AWS_PROFILE", "x", "AWS_WEB_IDENTITY_TOKEN_FILE",
				   "/t",   NULL};
	CHECK_OK(load(plain, &s, &err), err);
	check_keys(&s, "D", "DS", "us-east-1");
	CHECK(s.virtual_host && !s.endpoint && !s.session_token);
	aws_settings_release(&s);
	CHECK_OK(load(work, &s, &err), err);
	check_keys(&s, "W", "W+/=", "eu-west-1");
	CHECK_STR(mr_str_from(s.endpoint), "http://e");
	aws_settings_release(&s);
	CHECK_INT(load(sso, &s, &err), MR_ERR_UNSUPPORTED);
	CHECK(strstr(err.message, "sso_start_url"));
	CHECK_INT(load(web, &s, &err), MR_ERR_UNSUPPORTED);
	CHECK_INT(load(none, &s, &err), MR_ERR_INVALID);
	CHECK(strstr(err.hint, "AWS_ACCESS_KEY_ID"));
}

static int note(void *arg, mr_str key, const struct store_info *info)
{
	mr_buf_printf(arg, "%.*s=%lld@%lld ", MR_FMT(key), info->is_prefix ? -1 : (long long)info->size,
		      (long long)info->mtime_ms);
	return 0;
}

TEST(s3_listings_are_read)
{
	struct mr_error err = {0};
	struct mr_buf out = {0}, next = {0};
	CHECK_OK(s3_xml_list(
		     MR_STR("<?xml?><ListBucketResult><IsTruncated>true</IsTruncated>"
			    "<Contents><Key>b&amp;&#x41;&lt;</Key><LastModified>1970-01-01T00:00:02.500Z</"
			    "LastModified>"
			    "<Size>12</Size></Contents><CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes>"
			    "<NextContinuationToken>1&quot;</NextContinuationToken></ListBucketResult>"),
		     note, &out, &next, &err),
		 err);
	CHECK_STR(mr_buf_view(&out), "a/=-1@0 b&A<=12@2000 ");
	CHECK_STR(mr_buf_view(&next), "1\"");
	static const char *const hostile[] = {
	    "", "<Contents>", "<Contents><Key></Key></Contents><IsTruncated>false</IsTruncated>",
	    "<IsTruncated>true</IsTruncated>", "<html>no</html>"};
	for (size_t i = 0; i < MR_COUNT(hostile); i++)
		CHECK_INT(s3_xml_list(mr_str_from(hostile[i]), note, &out, &next, &err), MR_ERR_CORRUPT);
	mr_buf_release(&out);
	mr_buf_release(&next);
}
