/* cli/cmd_user.c - millrace user: list, add, passwd, remove. Passwords come from a file, or from standard
 * input: in arguments others would see them. */
#include "base/mem.h"
#include "cli/command.h"
#include "cli/rows.h"
#include "cli/verbs.h"
#include "env/env.h"

#include <errno.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_FILE_MAX 4096

static const struct arg_option options[] = {
    {"project", 'C', "FOLDER", "the project's folder (default: .)", false},
    {"format", 'f', "FORMAT", "box, csv, tsv, json, jsonl, markdown", false},
    {"password-file", 0, "FILE", "add, passwd: its first line (default: standard input)", false},
    {"super", 0, NULL, "add: nothing is denied to him", false},
};

static int user_list(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	static const char *const columns[] = {"name", "super", "configured", "scram_sha_256_iterations",
					      "scram_sha_512_iterations"};
	(void)name;
	return rows_admin(target, "user.list", MR_STR("{}"), args_get(args, "format"), "users", columns,
			  MR_COUNT(columns), err);
}

static void first_line(struct mr_buf *text)
{
	const char *end = text->len ? memchr(text->ptr, '\n', text->len) : NULL;
	if (end)
		text->len = (size_t)(end - text->ptr);
	if (text->len && text->ptr[text->len - 1] == '\r')
		text->len--;
}

/* From a terminal without showing it. */
static int ask(const char *name, struct mr_buf *out, struct mr_error *err)
{
	struct termios shown, hidden;
	char line[1100];
	bool terminal = tcgetattr(STDIN_FILENO, &shown) == 0;
	if (terminal) {
		hidden = shown;
		hidden.c_lflag &= ~(tcflag_t)ECHO;
		fprintf(stderr, "password of %s: ", name);
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	}
	bool read = fgets(line, sizeof line, stdin) != NULL;
	if (terminal) {
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
		fputc('\n', stderr);
	}
	if (!read)
		return mr_fail(err, MR_ERR_INVALID, "no password came");
	mr_buf_cstr(out, line);
	explicit_bzero(line, sizeof line);
	return 0;
}

static int put_user(struct target *target, const struct args *args, const char *name, bool is_new,
		    struct mr_error *err)
{
	struct mr_buf password = {0}, body = {0};
	struct json_writer w = json_writer(&body);
	const char *file = args_get(args, "password-file");
	int rc = file ? disk_read_file(env_linux()->disk, file, PASSWORD_FILE_MAX, &password, err)
		      : ask(name, &password, err);
	if (rc == 0) {
		first_line(&password);
		json_begin_object(&w);
		json_member_cstr(&w, "name", name);
		json_member_str(&w, "password", mr_buf_view(&password));
		json_member_bool(&w, "super", args_has(args, "super"));
		json_member_bool(&w, is_new ? "must_be_new" : "must_exist", true);
		json_end_object(&w);
		rc = rows_admin(target, "user.put", mr_buf_view(&body), NULL, NULL, NULL, 0, err);
	}
	if (password.ptr)
		explicit_bzero(password.ptr, password.cap);
	if (body.ptr)
		explicit_bzero(body.ptr, body.cap);
	mr_buf_release(&password);
	mr_buf_release(&body);
	return rc;
}

static int user_add(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	return put_user(target, args, name, true, err);
}

static int user_passwd(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	return put_user(target, args, name, false, err);
}

static int user_remove(struct target *target, const struct args *args, const char *name, struct mr_error *err)
{
	(void)args;
	struct mr_buf body = {0};
	struct json_writer w = json_writer(&body);
	json_begin_object(&w);
	json_member_cstr(&w, "name", name);
	json_end_object(&w);
	int rc = rows_admin(target, "user.remove", mr_buf_view(&body), NULL, NULL, NULL, 0, err);
	mr_buf_release(&body);
	return rc;
}

static const struct cli_verb verbs[] = {
    {"list", NULL, user_list},
    {"add", "user", user_add},
    {"passwd", "user", user_passwd},
    {"remove", "user", user_remove},
};

int cmd_user(int argc, char **argv)
{
	static const struct cli_verbs user = {"user", options, MR_COUNT(options), verbs, MR_COUNT(verbs), 2};
	return cli_verbs_run(&user, argc, argv);
}
