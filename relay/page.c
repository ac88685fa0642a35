#include "relay/page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/embed.h"
#include "relay/request.h"

static const char *
type_of(const char *name)
{
	static const struct { const char *ending, *type; } types[] = {
		{ ".html", "text/html; charset=utf-8" }, { ".js", "text/javascript; charset=utf-8" },
		{ ".css", "text/css; charset=utf-8" }, { ".svg", "image/svg+xml" },
		{ ".png", "image/png" }, { ".webmanifest", "application/manifest+json" },
	};
	const char	*dot = strrchr(name, '.');

	for (size_t i = 0; dot != NULL && i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(dot, types[i].ending) == 0)
			return types[i].type;
	return "application/octet-stream";
}

/* FNV-1a of the bytes: a new build's files get new tags. */
static void
tag_of(const struct embedded *f, char *buf, size_t size)
{
	uint64_t	 hash = UINT64_C(14695981039346656037);

	for (size_t i = 0; i < f->len; i++)
		hash = (hash ^ f->bytes[i]) * UINT64_C(1099511628211);
	snprintf(buf, size, "\"%016" PRIx64 "\"", hash);
}

static void
serve(struct request *req, const struct embedded *f)
{
	const char	*known = request_header(req, "If-None-Match");
	char		 tag[24];

	tag_of(f, tag, sizeof(tag));
	request_set_header(req, "ETag", tag);
	request_set_header(req, "Cache-Control", "no-cache");
	if (known != NULL && strstr(known, tag) != NULL)
		request_reply(req, 304, NULL, "", 0);
	else
		request_reply(req, 200, type_of(f->name), f->bytes, f->len);
}

void
page_serve(struct request *req)
{
	const char	*path = request_path(req), *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;

	for (const struct embedded *f = www; f->name != NULL; f++)
		if (strcmp(f->name, name) == 0) {
			serve(req, f);
			return;
		}
	request_error(req, 404, "there is nothing at this path",
	    "try /, /v1/stream, /v1/signals, /v1/candles, /v1/stats, /v1/status, /metrics, /healthz, /readyz");
}
