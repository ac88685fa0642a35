#include "relay/request.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <time.h>

#include "common/json.h"
#include "common/log.h"
#include "relay/access.h"
#include "relay/connection.h"

#define CSP	"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; " \
		"img-src 'self'; base-uri 'none'; frame-ancestors 'none'"

enum request_method
request_method(const struct request *r)
{
	return (enum request_method)r->message.method;
}

const char *
request_path(const struct request *r)
{
	return r->message.path;
}

const char *
request_rest(const struct request *r)
{
	return r->rest;
}

const char *
request_peer(const struct request *r)
{
	static char	 text[PEER_TEXT_MAX];

	return peer_text(&r->peer, text);
}

const char *
request_header(const struct request *r, const char *name)
{
	return message_header(&r->message, name);
}

const char *
request_body(const struct request *r, size_t *len)
{
	if (len != NULL)
		*len = r->message.body_len;
	return r->message.body == NULL ? "" : r->message.body;
}

bool
request_query(struct request *r, struct evkeyvalq *out)
{
	const char	*query = r->message.query;

	TAILQ_INIT(out);
	if (query == NULL || *query == '\0')
		return true;
	if (evhttp_parse_query_str(query, out) == 0) {
		/* Those have been looked at; what they hold goes nowhere else. */
		while (evhttp_remove_header(out, "apikey") == 0 || evhttp_remove_header(out, "token") == 0)
			;
		return true;
	}
	evhttp_clear_headers(out);
	request_error(r, 400, "the query cannot be read", "NAME=VALUE, joined by &, percent-encoded");
	return false;
}

struct access *
request_access(const struct request *r)
{
	return r->access;
}

const char *
request_refusal(const struct request *r)
{
	return r->refusal;
}

bool
request_is_gone(const struct request *r)
{
	return r->connection == NULL;
}

void
request_set_header(struct request *r, const char *name, const char *value)
{
	size_t	 more = strlen(name) + strlen(value) + 4;

	if (strpbrk(value, "\r\n") != NULL)
		fatalx("http", "a header's value with a line end in it");
	r->lines = xrealloc(r->lines, r->lines_len + more + 1);
	snprintf(r->lines + r->lines_len, more + 1, "%s: %s\r\n", name, value);
	r->lines_len += more;
	if (strcasecmp(name, "Cache-Control") == 0)
		r->has_cache_control = true;
}

const char *
request_lines(const struct request *r)
{
	return r->lines == NULL ? "" : r->lines;
}

static const char *
reason_of(int status)
{
	static const struct { int status; const char *reason; } table[] = {
		{ 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" }, { 304, "Not Modified" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
		{ 405, "Method Not Allowed" }, { 408, "Request Timeout" }, { 409, "Conflict" }, { 410, "Gone" },
		{ 413, "Content Too Large" }, { 414, "URI Too Long" }, { 415, "Unsupported Media Type" },
		{ 417, "Expectation Failed" }, { 421, "Misdirected Request" }, { 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" }, { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].status == status)
			return table[i].reason;
	return "Unknown";
}

/* As Date has it (RFC 9110, 5.6.7). */
static char *
date_now(char *buf, size_t size)
{
	static const char *const	 days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
	static const char *const	 months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov",
	    "Dec" };
	time_t				 now = time(NULL);
	struct tm			 tm;

	gmtime_r(&now, &tm);
	snprintf(buf, size, "%s, %02d %s %d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
	    tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
	return buf;
}

static void
add_head(struct evbuffer *out, const struct request *r, int status, const char *type, size_t len)
{
	const struct connection	*c = r->connection;
	char			 date[64];

	evbuffer_add_printf(out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, reason_of(status), date_now(date, sizeof(date)));
	if (type != NULL)
		evbuffer_add_printf(out, "Content-Type: %s\r\n", type);
	if (status != 204 && status != 304)
		evbuffer_add_printf(out, "Content-Length: %zu\r\n", len);
	evbuffer_add_printf(out, "%sX-Content-Type-Options: nosniff\r\nContent-Security-Policy: " CSP "\r\n",
	    r->has_cache_control ? "" : "Cache-Control: no-store\r\n");
	if (c->last)
		evbuffer_add_printf(out, "Connection: close\r\n");
	else if (!r->message.minor)
		evbuffer_add_printf(out, "Connection: keep-alive\r\n");
	evbuffer_add(out, r->lines == NULL ? "" : r->lines, r->lines_len);
	evbuffer_add(out, "\r\n", 2);
}

void
request_reply(struct request *r, int status, const char *type, const void *data, size_t len)
{
	struct evbuffer	*answer = evbuffer_new();

	if (answer == NULL)
		fatalx("http", "out of memory");
	if (r->connection != NULL) {
		add_head(answer, r, status, type, len);
		if (r->message.method != REQUEST_HEAD && status != 204 && status != 304 && evbuffer_add(answer, data, len) == -1)
			fatalx("http", "out of memory");
	}
	connection_answer(r, answer);
	evbuffer_free(answer);
}

void
request_error(struct request *r, int status, const char *error, const char *hint)
{
	struct jsonw	 w;

	jsonw_init(&w);
	jsonw_object(&w, NULL);
	jsonw_str(&w, "error", error);
	if (hint != NULL)
		jsonw_str(&w, "hint", hint);
	jsonw_end_object(&w);
	request_reply(r, status, REQUEST_JSON, w.buf, w.len);
	jsonw_release(&w);
}

void
request_free(struct request *r)
{
	message_release(&r->message);
	access_unref(r->access);
	free(r->refusal);
	free(r->lines);
	free(r);
}
