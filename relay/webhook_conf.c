#include "relay/webhook_conf.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "common/net.h"
#include "common/suite.h"
#include "relay/address.h"
#include "relay/filter.h"
#include "relay/secret.h"

#define WHY_MAX		512
#define TARGET_CHARS	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-@"

static bool
target_ok(const char *value, char *why, size_t why_size)
{
	snprintf(why, why_size, "a chat's number, or @NAME of a channel");
	return value[strspn(value, TARGET_CHARS)] == '\0';
}

static bool
ca_file_ok(const char *value, char *why, size_t why_size)
{
	return suite_path_ok(value, why, why_size) && net_ca_file_ok(value, why, why_size);
}

static const struct conf_key conf_keys[] = {
	{ .name = "url", .type = CONF_STR, .offset = offsetof(struct webhook_conf, url_key), .def = "", .secret = true,
	  .help = "where each event is POSTed to; https://, or http:// with allow_private; this or url_file is needed" },
	{ .name = "url_file", .type = CONF_STR, .offset = offsetof(struct webhook_conf, url_file), .def = "", .check = suite_path_ok,
	  .help = "a file that holds the URL, when that is a secret itself" },
	{ .name = "format", .type = CONF_ENUM, .offset = offsetof(struct webhook_conf, format), .def = "standard",
	  .choices = webhook_format_names, .help = "standard (Standard Webhooks, signed), telegram, discord, slack or ntfy" },
	{ .name = "secret_file", .type = CONF_STR, .offset = offsetof(struct webhook_conf, secret_file), .def = "",
	  .check = suite_path_ok, .help = "standard: a file with whsec_BASE64, required; several lines while changing it: each signs. ntfy: an access token" },
	{ .name = "chat_id", .type = CONF_STR, .offset = offsetof(struct webhook_conf, chat_id), .def = "", .check = target_ok,
	  .help = "telegram: the chat" },
	{ .name = "symbol", .type = CONF_LIST, .offset = offsetof(struct webhook_conf, symbols), .def = "",
	  .help = "only signals of these; empty: all" },
	{ .name = "strategy", .type = CONF_LIST, .offset = offsetof(struct webhook_conf, strategies), .def = "",
	  .help = "only signals of these; empty: all" },
	{ .name = "side", .type = CONF_LIST, .offset = offsetof(struct webhook_conf, sides), .def = "",
	  .help = "long, short; empty: both" },
	{ .name = "kind", .type = CONF_LIST, .offset = offsetof(struct webhook_conf, kinds), .def = "",
	  .help = "of opened, target_hit, stop_moved, closed, acked, deleted; empty: all" },
	{ .name = "min_confidence", .type = CONF_DOUBLE, .offset = offsetof(struct webhook_conf, min_confidence), .def = "0",
	  .max = 1, .help = "only signals with at least this" },
	{ .name = "allow_private", .type = CONF_BOOL, .offset = offsetof(struct webhook_conf, allow_private), .def = "no",
	  .help = "the URL may lead to loopback or a private network, and may be http://" },
	{ .name = "ca_file", .type = CONF_STR, .offset = offsetof(struct webhook_conf, ca_file), .def = "", .check = ca_file_ok,
	  .help = "PEM file of certificate authorities to trust instead of the system's" },
	{ .name = "timeout", .type = CONF_DURATION, .offset = offsetof(struct webhook_conf, timeout_ms), .def = "15s",
	  .min = 100, .max = 120000, .help = "of one attempt, from the name to the end of the answer" },
	{ .name = "give_up", .type = CONF_DURATION, .offset = offsetof(struct webhook_conf, give_up_ms), .def = "3d",
	  .min = 1000, .max = 7776000000, .help = "after so long without one delivery it is parked, until it is resumed by hand" },
	{ .name = NULL }
};

struct reading {
	struct conf			*file;
	const struct conf_section	*section;
	struct webhook_conf		*w;
};

/* URL */

static bool
take_url(struct webhook_conf *w, const char *text, char why[WHY_MAX])
{
	struct net_url	 url;
	char		 authority[NET_AUTHORITY_MAX];

	w->plain = strncasecmp(text, "http://", 7) == 0;
	if (!net_url_parse(&url, w->plain ? "http" : "https", text, why, WHY_MAX))
		return false;
	if (w->plain && !w->allow_private) {
		snprintf(why, WHY_MAX, "http:// is only for private networks: https://, or allow_private = yes");
		return false;
	}
	if (url.is_address && !w->allow_private && !address_is_public(url.host, why, WHY_MAX))
		return false;
	if (asprintf(&w->origin, "%s://%s", w->plain ? "http" : "https", net_authority(&url, authority)) == -1)
		fatalx("webhook", "no memory");
	w->path = xstrdup(url.path);
	return true;
}

/* ntfy takes JSON at its root; the topic is what the URL names last. */
static bool
take_topic(struct webhook_conf *w, char why[WHY_MAX])
{
	char	*slash, *query = strchr(w->path, '?');
	size_t	 len;

	slash = query == NULL ? strrchr(w->path, '/') : memrchr(w->path, '/', (size_t)(query - w->path));
	len = strcspn(slash + 1, "?");
	if (len == 0 || len > 64 || strspn(slash + 1, TARGET_CHARS) != len) {
		snprintf(why, WHY_MAX, "ntfy's URL ends with the topic, as in https://ntfy.sh/TOPIC");
		return false;
	}
	w->target = strndup(slash + 1, len);
	memmove(slash + 1, slash + 1 + len, strlen(slash + 1 + len) + 1);
	return true;
}

static bool
format_ok(struct webhook_conf *w, char why[WHY_MAX])
{
	const char	*end = strstr(w->path, "/sendMessage");

	if (w->format == WEBHOOK_NTFY)
		return take_topic(w, why);
	if (w->format != WEBHOOK_TELEGRAM || (end != NULL && strcmp(end, "/sendMessage") == 0))
		return true;
	snprintf(why, WHY_MAX, "Telegram's is https://api.telegram.org/botTOKEN/sendMessage");
	return false;
}

static void
read_url(struct reading *r)
{
	struct webhook_conf	*w = r->w;
	char			 why[WHY_MAX] = "", *text = NULL;
	size_t			 len = 0;
	bool			 ok;
	const char		*key = w->url_file != NULL ? "url_file" : "url";

	if ((w->url_key == NULL) == (w->url_file == NULL)) {
		conf_error(r->file, r->section, NULL, "[webhook %s] needs one of url and url_file", w->name);
		return;
	}
	ok = w->url_file == NULL || (text = secret_read(w->url_file, &len, why, sizeof(why))) != NULL;
	if (!ok || !take_url(w, text != NULL ? text : w->url_key, why) || !format_ok(w, why))
		conf_error(r->file, r->section, key, "%s", why);
	secret_free(text, len);
}

/* Secret */

static void
read_secret(struct reading *r)
{
	struct webhook_conf	*w = r->w;
	char			 why[WHY_MAX] = "", *text;
	size_t			 len;

	if (w->secret_file == NULL) {
		if (w->format == WEBHOOK_STANDARD)
			conf_error(r->file, r->section, NULL, "[webhook %s] needs secret_file to sign with: a file of one line, "
			    "whsec_ and what `openssl rand -base64 32` prints", w->name);
		return;
	}
	if (w->format != WEBHOOK_STANDARD && w->format != WEBHOOK_NTFY) {
		conf_error(r->file, r->section, "secret_file", "has no use with this format, whose URL is the secret");
		return;
	}
	if ((text = secret_read(w->secret_file, &len, why, sizeof(why))) == NULL) {
		conf_error(r->file, r->section, "secret_file", "%s", why);
		return;
	}
	if (strlen(text) != len)
		conf_error(r->file, r->section, "secret_file", "%s is no text", w->secret_file);
	else if (w->format == WEBHOOK_STANDARD) {
		if (!webhook_keys_parse(text, &w->keys, why, sizeof(why)))
			conf_error(r->file, r->section, "secret_file", "%s", why);
	} else if (strpbrk(text, " \t\r\n") != NULL)
		conf_error(r->file, r->section, "secret_file", "%s holds more than a token", w->secret_file);
	else if (asprintf(&w->bearer, "Bearer %s", text) == -1)
		fatalx("webhook", "no memory");
	secret_free(text, len);
}

/* Filter */

static void
set_filter(struct reading *r, struct filter *f, const char *key, const char *value)
{
	char	 why[WHY_MAX] = "";

	if (filter_set(f, key, value, why, sizeof(why)) != FILTER_SET_OK)
		conf_error(r->file, r->section, key, "\"%s\" is not allowed: %s", value, why);
}

static void
read_filter(struct reading *r)
{
	const struct webhook_conf	*w = r->w;
	const struct {
		const char		*key;
		const struct conf_list	*list;
	}				 lists[] = {
		{ "symbol", &w->symbols }, { "strategy", &w->strategies }, { "side", &w->sides }, { "kind", &w->kinds },
	};
	struct filter			*f = filter_new();
	char				 number[32];

	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++)
		for (size_t j = 0; j < lists[i].list->count; j++)
			set_filter(r, f, lists[i].key, lists[i].list->items[j]);
	if (w->min_confidence > 0) {
		snprintf(number, sizeof(number), "%.6f", w->min_confidence);
		set_filter(r, f, "min_confidence", number);
	}
	if (filter_is_empty(f))
		filter_free(f);
	else
		r->w->filter = f;
}

static void
read_section(struct conf *c, const struct conf_section *section, struct webhook_conf *w)
{
	struct reading	 r = { .file = c, .section = section, .w = w };
	const char	*name = conf_label(section);

	*w = (struct webhook_conf){ .name = xstrdup(name == NULL ? "" : name) };
	conf_fill(c, section, conf_keys, w);
	if (!suite_name_ok(w->name))
		conf_error(c, section, NULL, "[webhook%s%s] has no good name: [webhook NAME] with a letter, then up to 31 of a-z 0-9 _ -",
		    name == NULL ? "" : " ", w->name);
	if ((w->format == WEBHOOK_TELEGRAM) != (w->chat_id != NULL))
		conf_error(c, section, NULL, "[webhook %s]: chat_id is needed for format = telegram, and for no other", w->name);
	else if (w->chat_id != NULL)
		w->target = xstrdup(w->chat_id);
	read_url(&r);
	read_secret(&r);
	read_filter(&r);
}

void
webhook_conf_read(struct conf *c, struct webhook_confs *out)
{
	const struct conf_section	*section = NULL;

	*out = (struct webhook_confs){ 0 };
	while ((section = conf_next(c, "webhook", section)) != NULL) {
		out->items = xrealloc(out->items, (out->count + 1) * sizeof(*out->items));
		read_section(c, section, &out->items[out->count++]);
	}
}

void
webhook_conf_release(struct webhook_confs *all)
{
	for (size_t i = 0; i < all->count; i++) {
		struct webhook_conf	*w = &all->items[i];

		conf_clear(conf_keys, w);
		free(w->name);
		free(w->origin);
		free(w->path);
		free(w->target);
		secret_free(w->bearer, w->bearer == NULL ? 0 : strlen(w->bearer));
		filter_free(w->filter);
		OPENSSL_cleanse(&w->keys, sizeof(w->keys));
	}
	free(all->items);
	*all = (struct webhook_confs){ 0 };
}

void
webhook_conf_print(const struct webhook_confs *all)
{
	for (size_t i = 0; i < all->count; i++)
		conf_print(stdout, "webhook", all->items[i].name, conf_keys, &all->items[i]);
}
