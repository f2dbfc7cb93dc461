/* The worked examples of AWS's page "Signature calculations for the Authorization header" (S3). */
#include "store/sigv4.h"
#include "test.h"

static const struct sigv4_keys keys = {
    {"AKIAIOSFODNN7EXAMPLE", 20}, {"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", 40}, {"", 0}};

#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define HOST "examplebucket.s3.amazonaws.com"
#define DATE "20130524T000000Z"

static void check(const struct sigv4_request *r, const char *names, const char *signature)
{
	struct mr_buf out = {0};
	sigv4_authorization(&out, r, &keys);
	CHECK_STR(mr_buf_view(&out),
		  test_path("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/"
			    "s3/aws4_request,SignedHeaders=%s,Signature=%s",
			    names, signature));
	mr_buf_release(&out);
}

TEST(sigv4_signs_get_object)
{
	const struct sigv4_header headers[] = {{"host", MR_STR(HOST)},
					       {"range", MR_STR("bytes=0-9")},
					       {"x-amz-content-sha256", MR_STR(EMPTY)},
					       {"x-amz-date", MR_STR(DATE)}};
	struct sigv4_request r = {"GET", MR_STR("/test.txt"), MR_STR(""), headers, 4,
				  EMPTY, "us-east-1",         "s3",       DATE};
	check(&r, "host;range;x-amz-content-sha256;x-amz-date",
	      "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST(sigv4_signs_put_object)
{
	char sha[65];
	sigv4_sha256(MR_STR("Welcome to Amazon S3."), sha);
	const struct sigv4_header headers[] = {{"date", MR_STR("Fri, 24 May 2013 00:00:00 GMT")},
					       {"host", MR_STR(HOST)},
					       {"x-amz-content-sha256", mr_str_from(sha)},
					       {"x-amz-date", MR_STR(DATE)},
					       {"x-amz-storage-class", MR_STR("REDUCED_REDUNDANCY")}};
	struct mr_buf path = {0};
	sigv4_escape(&path, MR_STR("/test$file.text"), true);
	struct sigv4_request r = {"PUT", mr_buf_view(&path), MR_STR(""), headers, 5,
				  sha,   "us-east-1",        "s3",       DATE};
	check(&r, "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
	      "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
	mr_buf_release(&path);
}

TEST(sigv4_signs_queries)
{
	const struct sigv4_header headers[] = {
	    {"host", MR_STR(HOST)}, {"x-amz-content-sha256", MR_STR(EMPTY)}, {"x-amz-date", MR_STR(DATE)}};
	struct sigv4_request r = {"GET", MR_STR("/"), MR_STR("lifecycle="), headers, 3, EMPTY, "us-east-1",
				  "s3",  DATE};
	check(&r, "host;x-amz-content-sha256;x-amz-date",
	      "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
	r.query = MR_STR("max-keys=2&prefix=J");
	check(&r, "host;x-amz-content-sha256;x-amz-date",
	      "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}
