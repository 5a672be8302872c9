// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * nlbctl's requests: HTTP over the agent's unix socket, by libcurl.
 */
#include <curl/curl.h>
#include <errno.h>
#include <string.h>

#include "jget.h"
#include "nlbctl.h"

#define ANSWER_MAX (256u << 20)

static size_t on_body(char *data, size_t size, size_t n, void *user)
{
	struct nlbctl *ctl = user;

	if (ctl->answer.len + size * n > ANSWER_MAX)
		return 0;
	sbuf_add(&ctl->answer, data, size * n);
	return sbuf_ok(&ctl->answer) ? size * n : 0;
}

static CURLcode perform(struct nlbctl *ctl, const char *method, const char *path, const char *body,
			char error[static CURL_ERROR_SIZE])
{
	_cleanup_sbuf_ struct sbuf url = SBUF_INIT;
	struct curl_slist *headers = NULL;
	CURL *e = curl_easy_init();
	CURLcode code;

	sbuf_printf(&url, "http://agent%s", path);
	headers = curl_slist_append(headers, "Content-Type: application/json");
	if (!e || !headers || !sbuf_ok(&url)) {
		curl_slist_free_all(headers);
		return CURLE_OUT_OF_MEMORY;
	}
	sbuf_reset(&ctl->answer);
	curl_easy_setopt(e, CURLOPT_URL, url.data);
	curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, ctl->socket);
	curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
	if (body)
		curl_easy_setopt(e, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(e, CURLOPT_TIMEOUT, 15L);
	curl_easy_setopt(e, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(e, CURLOPT_WRITEDATA, ctl);
	code = curl_easy_perform(e);
	curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &ctl->status);
	curl_slist_free_all(headers);
	curl_easy_cleanup(e);
	return code;
}

int nlbctl_request(struct nlbctl *ctl, const char *method, const char *path, const char *body)
{
	char error[CURL_ERROR_SIZE] = "";
	CURLcode code = perform(ctl, method, path, body, error);

	if (code == CURLE_OK)
		return 0;
	fprintf(stderr, "nlbctl: no answer from the agent at %s: %s\n", ctl->socket,
		error[0] ? error : curl_easy_strerror(code));
	return -EIO;
}

static struct json_object *parse(const struct nlbctl *ctl)
{
	struct json_object *o = NULL;

	if (!ctl->answer.data || jget_parse(ctl->answer.data, ctl->answer.len, &o, NULL) < 0 || !o)
		fprintf(stderr, "nlbctl: the agent's answer (status %ld) is no JSON\n",
			ctl->status);
	return o;
}

/* What the agent says of its error; NULL: nothing. */
static const char *error_of(struct json_object *o)
{
	const char *error = NULL;

	return jget_str(o, "error", 4096, &error, NULL) == 0 ? error : NULL;
}

struct json_object *nlbctl_answer(const struct nlbctl *ctl)
{
	_cleanup_json_ struct json_object *o = parse(ctl);
	const char *error;

	if (!o)
		return NULL;
	if (ctl->status < 300)
		return TAKE_PTR(o);
	error = error_of(o);
	fprintf(stderr, "nlbctl: %s\n", error ? error : "the agent refuses");
	return NULL;
}

int nlbctl_show(const struct nlbctl *ctl, void (*print)(struct json_object *o, FILE *out))
{
	_cleanup_json_ struct json_object *o = NULL;
	const char *error, *field = NULL;

	if (ctl->json) {
		fputs(ctl->answer.data ? ctl->answer.data : "", stdout);
		return ctl->status < 300 ? 0 : 1;
	}
	o = parse(ctl);
	if (!o)
		return 1;
	if (ctl->status < 300) {
		print(o, stdout);
		return 0;
	}
	error = error_of(o);
	if (!error)
		print(o, stderr);
	/* Of a document; else the words say it. */
	else if (jget_str(o, "field", 4096, &field, NULL) == 0 && field && strpbrk(field, ".["))
		fprintf(stderr, "nlbctl: %s: %s\n", field, error);
	else
		fprintf(stderr, "nlbctl: %s\n", error);
	return 1;
}
