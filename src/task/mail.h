/* task/mail.h - one letter by the mail server of a connection (smtp_default): EmailOperator's and the
 * callbacks'. Blocking; any thread.
 *
 * The sender is `from_email` of the connection's extra, or its login.
 */
#pragma once

#include "base/error.h"
#include "task/vault.h"

struct letter {
	mr_str conn_id;
	mr_str subject, html;
	const mr_str *to; /* addresses; those behind `shown` are in no header */
	size_t to_count, shown;
	bool (*stopped)(void *arg); /* as of struct web_mail */
	void *arg;
};

/* MR_ERR_NOT_FOUND: there is no such connection. */
MR_NODISCARD int mail_send(struct vault *vault, const struct letter *letter, struct mr_error *err);
