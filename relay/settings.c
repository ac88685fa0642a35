#include "relay/settings.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/pg.h"
#include "relay/origin.h"

static bool
host_name_ok(const char *value, char *why, size_t why_size)
{
	if (value[strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._")] == '\0')
		return true;
	snprintf(why, why_size, "a name as in signals.example.org, without scheme and port");
	return false;
}

static const struct conf_key relay_keys[] = {
	{ .name = "database", .type = CONF_STR, .offset = offsetof(struct settings, database), .def = "",
	  .secret = true, .check = pg_conninfo_ok, .help = "libpq conninfo for the relay; empty: that of [tocsin]" },
	{ .name = "client_buffer", .type = CONF_SIZE, .offset = offsetof(struct settings, client_buffer),
	  .def = "1M", .min = 65536, .max = 1073741824, .help = "a client that lags by more bytes for a second is dropped, and may resume" },
	{ .name = "max_clients", .type = CONF_INT, .offset = offsetof(struct settings, max_clients),
	  .def = "10000", .min = 1, .max = 1000000, .help = "streams at the same time; more are refused with 503" },
	{ .name = "ring_size", .type = CONF_INT, .offset = offsetof(struct settings, ring_size),
	  .def = "8192", .min = 16, .max = 1048576, .help = "events kept in memory for those who resume" },
	{ .name = "ring_bytes", .type = CONF_SIZE, .offset = offsetof(struct settings, ring_bytes),
	  .def = "16M", .min = 1048576, .max = 17179869184, .help = "memory for these events" },
	{ .name = "keepalive", .type = CONF_DURATION, .offset = offsetof(struct settings, keepalive_ms),
	  .def = "15s", .min = 1000, .max = 3600000, .help = "silence after which a stream gets a comment" },
	{ .name = "public_hosts", .type = CONF_LIST, .offset = offsetof(struct settings, public_hosts),
	  .def = "", .check = host_name_ok, .help = "names under which a proxy serves it; requests by other names than these, an address or localhost are refused" },
	{ .name = "cors_origins", .type = CONF_LIST, .offset = offsetof(struct settings, cors_origins),
	  .def = "", .check = origin_ok, .help = "other web sites whose pages may ask, like https://hub.example.org; *: all" },
	{ .name = "tls_cert", .type = CONF_STR, .offset = offsetof(struct settings, tls_cert), .def = "", .check = suite_path_ok,
	  .help = "certificate and those between it and its authority (PEM): every socket speaks TLS then; read again at SIGHUP" },
	{ .name = "tls_key", .type = CONF_STR, .offset = offsetof(struct settings, tls_key), .def = "", .check = suite_path_ok,
	  .help = "the certificate's key (PEM, without a passphrase)" },
	{ .name = "max_per_address", .type = CONF_INT, .offset = offsetof(struct settings, max_per_address),
	  .def = "100", .min = 1, .max = 1000000, .help = "connections from one address (IPv6: from one /64); this machine's own are not counted" },
	{ .name = "request_timeout", .type = CONF_DURATION, .offset = offsetof(struct settings, request_ms),
	  .def = "15s", .min = 1000, .max = 3600000, .help = "a request's time from its first byte to its last" },
	{ .name = "jwt_secret_file", .type = CONF_STR, .offset = offsetof(struct settings, jwt_secret_file), .def = "", .check = suite_path_ok,
	  .help = "file with the key (32 bytes or more) of JSON Web Tokens signed with HS256, which are then taken as tokens" },
	{ .name = "anonymous", .type = CONF_LIST, .offset = offsetof(struct settings, anonymous), .def = "read, ack", .check = tokens_scope_ok,
	  .help = "scopes of everybody while there is neither a [token] nor a jwt_secret_file" },
	{ .name = NULL }
};

static bool
read_file(struct settings *s, const char *path, FILE *errors_to)
{
	static const char *const	 own[] = { "relay", "token", "webhook", NULL };
	struct conf			*c = conf_read(path);
	const struct conf_section	*section = conf_section(c, "relay", NULL);
	int				 errors;

	*s = (struct settings){ .path = xstrdup(path) };
	conf_fill(c, conf_section(c, "tocsin", NULL), suite_keys, &s->suite);
	conf_fill(c, section, relay_keys, s);
	webhook_conf_read(c, &s->webhooks);
	tokens_read(&s->tokens, c);
	suite_ignore_others(c, own);
	if (s->client_buffer > s->ring_bytes)
		conf_error(c, section, "client_buffer", "must not be more than ring_bytes");
	if ((s->tls_cert == NULL) != (s->tls_key == NULL))
		conf_error(c, section, s->tls_cert == NULL ? "tls_key" : "tls_cert", "tls_cert and tls_key belong together");
	errors = conf_finish(c, errors_to);
	conf_free(c);
	return errors == 0;
}

bool
settings_read(struct settings *s, const char *path)
{
	return read_file(s, path, stderr);
}

bool
settings_read_again(struct settings *s, const char *path)
{
	char	*text = NULL, *rest;
	size_t	 size = 0;
	FILE	*out = open_memstream(&text, &size);
	bool	 ok;

	if (out == NULL)
		fatal("settings", "cannot keep errors");
	ok = read_file(s, path, out);
	fclose(out);
	rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;)
		if (*line != '\0')
			log_errorx("settings", "%s", line);
	free(text);
	return ok;
}

void
settings_release(struct settings *s)
{
	conf_clear(relay_keys, s);
	webhook_conf_release(&s->webhooks);
	tokens_release(&s->tokens);
	free(s->path);
	conf_clear(suite_keys, &s->suite);
}

void
settings_print(const struct settings *s)
{
	conf_print(stdout, "tocsin", NULL, suite_keys, &s->suite);
	conf_print(stdout, "relay", NULL, relay_keys, s);
	webhook_conf_print(&s->webhooks);
	tokens_print(&s->tokens);
}

const char *
settings_database(const struct settings *s)
{
	return s->database == NULL ? s->suite.database : s->database;
}
