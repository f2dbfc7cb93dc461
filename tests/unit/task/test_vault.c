#include "test.h"

#include "base/buf.h"
#include "env/disk_linux.h"
#include "task/vault.h"

#include <stdlib.h>
#include <sys/stat.h>

static struct connection parse(struct arena *arena, const char *text)
{
	struct connection c;
	struct mr_error err;
	CHECK_OK(connection_parse(arena, MR_STR("c"), mr_str_from(text), &c, &err), err);
	return c;
}

TEST(connection_reads_airflows_forms)
{
	struct arena arena = {0};
	struct connection c =
	    parse(&arena, "postgres://my%40user:p%40ss%2Fword@db.host:5432/my%20db?sslmode=require&n=1");
	CHECK_STR(c.type, "postgres");
	CHECK_STR(c.login, "my@user");
	CHECK_STR(c.password, "p@ss/word");
	CHECK_STR(c.host, "db.host");
	CHECK_INT(c.port, 5432);
	CHECK_STR(c.schema, "my db");
	CHECK_STR(c.extra_json, "{\"sslmode\":\"require\",\"n\":\"1\"}");
	c = parse(
	    &arena,
	    "{\"conn_type\": \"http\", \"host\": \"h\", \"port\": \"80\", \"extra\": \"{\\\"a\\\": 1}\"}");
	CHECK_STR(c.host, "h");
	CHECK_INT(c.port, 80);
	CHECK_STR(c.extra_json, "{\"a\": 1}");
	c = parse(&arena, "http://[::1]:8080/");
	CHECK_STR(c.host, "::1");
	CHECK_INT(c.port, 8080);
	c = parse(&arena, "aws://?__extra__=%7B%22region%22%3A%22eu%22%7D");
	CHECK_STR(c.extra_json, "{\"region\":\"eu\"}");
	/* there and back */
	struct mr_buf uri = {0};
	c = parse(&arena, "x://a%3Ab:c%40@h:1/s?__extra__=%7B%22k%22%3A1%7D");
	connection_put_uri(&c, &uri);
	struct connection again = parse(&arena, uri.ptr);
	CHECK_STR(again.login, "a:b");
	CHECK_STR(again.password, "c@");
	CHECK_STR(again.extra_json, "{\"k\":1}");
	mr_buf_release(&uri);
	static const char *const bad[] = {"nothing",           "x://h:port/", "x://h:99999/",
					  "{\"port\": \"x\"}", "{",           ""};
	for (size_t i = 0; i < MR_COUNT(bad); i++)
		CHECK(connection_parse(&arena, MR_STR("c"), mr_str_from(bad[i]), &c, NULL) < 0);
	arena_release(&arena);
}

TEST(vault_keeps_secrets_sealed)
{
	const char *folder = test_folder();
	struct vault *vault;
	struct mr_error err;
	struct mr_buf text = {0};
	struct arena arena = {0};
	struct connection c;
	mr_str value = MR_STR("the-value"), uri = MR_STR("x://u:the-password@h/");
	CHECK_OK(vault_open(env_linux(), folder, &vault, &err), err);
	CHECK_OK(vault_set_variable(vault, MR_STR("api_key"), &value, &err), err);
	CHECK_OK(vault_set_connection(vault, MR_STR("db"), &uri, &err), err);
	CHECK_INT(vault_set_variable(vault, MR_STR("nothing"), NULL, &err), MR_ERR_NOT_FOUND);
	vault_free(vault);
	CHECK_OK(disk_read_file(disk_linux(), test_path("%s/vault", folder), 1 << 20, &text, &err), err);
	CHECK(!memmem(text.ptr, text.len, "the-", 4));
	struct stat info;
	CHECK(stat(test_path("%s/vault.key", folder), &info) == 0 && (info.st_mode & 077) == 0);
	CHECK_OK(vault_open(env_linux(), folder, &vault, &err), err);
	mr_buf_clear(&text);
	CHECK_OK(vault_variable(vault, MR_STR("api_key"), &text, &err), err);
	CHECK_STR(mr_buf_view(&text), "the-value");
	CHECK_OK(vault_connection(vault, MR_STR("db"), &arena, &c, &err), err);
	CHECK_STR(c.password, "the-password");
	CHECK_INT(vault_variable(vault, MR_STR("none"), &text, &err), 1);
	mr_str *secrets;
	CHECK_INT(vault_secrets(vault, &arena, &secrets), 2);
	setenv("AIRFLOW_VAR_API_KEY", "from outside", 1);
	mr_buf_clear(&text);
	CHECK_OK(vault_variable(vault, MR_STR("api_key"), &text, &err), err);
	CHECK_STR(mr_buf_view(&text), "from outside");
	vault_free(vault);
	mr_buf_release(&text);
	arena_release(&arena);
}

/* Any bit of the file that is not as it was is noticed. */
TEST(vault_notices_damage)
{
	const char *folder = test_folder();
	struct vault *vault;
	struct mr_error err;
	struct mr_buf text = {0};
	mr_str value = MR_STR("v");
	char *path = test_path("%s/vault", folder);
	CHECK_OK(vault_open(env_linux(), folder, &vault, &err), err);
	CHECK_OK(vault_set_variable(vault, MR_STR("a"), &value, &err), err);
	vault_free(vault);
	CHECK_OK(disk_read_file(disk_linux(), path, 1 << 20, &text, &err), err);
	for (size_t i = 0; i < text.len; i++) {
		text.ptr[i] ^= 4;
		CHECK_OK(disk_replace_file(disk_linux(), path, mr_buf_view(&text), &err), err);
		CHECK_INT(vault_open(env_linux(), folder, &vault, &err), MR_ERR_CORRUPT);
		text.ptr[i] ^= 4;
	}
	CHECK_OK(disk_replace_file(disk_linux(), path, mr_buf_view(&text), &err), err);
	CHECK_OK(disk_unlink(disk_linux(), test_path("%s.key", path), &err), err);
	CHECK_INT(vault_open(env_linux(), folder, &vault, &err), MR_ERR_NOT_FOUND); /* not a new key */
	mr_buf_release(&text);
}
