/* store/aws.h - who we are to S3, and where it is: as AWS's own tools find out.
 *
 * Keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, or the profile AWS_PROFILE
 * ("default") of AWS_SHARED_CREDENTIALS_FILE (~/.aws/credentials), then of AWS_CONFIG_FILE (~/.aws/config).
 * Region: AWS_REGION, AWS_DEFAULT_REGION, the profile's, "us-east-1".
 * Endpoint: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the profile's endpoint_url, AWS's own. An endpoint that
 * was given is asked path-style, unless AWS_VIRTUAL_HOSTED_STYLE_REQUEST is "true".
 *
 * Ways that need a server of their own (web identity, container and instance roles, SSO,
 * credential_process, assumed roles) are refused by name.
 */
#pragma once

#include "base/error.h"
#include "env/disk.h"

struct aws_settings {
	char *access_key, *secret_key, *session_token; /* the token may be NULL */
	char *region;
	char *endpoint; /* NULL: AWS's */
	bool virtual_host;
};

/* A variable of the environment, or NULL. */
typedef const char *(*aws_variable_fn)(void *arg, const char *name);

MR_NODISCARD int aws_settings_load(struct mr_disk *disk, aws_variable_fn variable, void *arg,
				   struct aws_settings *out, struct mr_error *err);
void aws_settings_release(struct aws_settings *settings);
