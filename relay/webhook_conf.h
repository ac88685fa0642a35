/* webhook_conf: the sections [webhook NAME], read, checked and put together. */
#ifndef TOCSIN_RELAY_WEBHOOK_CONF_H
#define TOCSIN_RELAY_WEBHOOK_CONF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf.h"
#include "relay/webhook_sign.h"
#include "relay/webhook_template.h"

struct filter;

struct webhook_conf {
	char			*name;
	/* As in the file. */
	char			*url_key, *url_file, *secret_file, *chat_id, *ca_file;
	int			 format;	/* enum webhook_format */
	struct conf_list	 symbols, strategies, sides, kinds;
	double			 min_confidence;
	bool			 allow_private;
	int64_t			 timeout_ms, give_up_ms;
	/* What follows from it. */
	bool			 plain;		/* http:// */
	char			*origin;	/* SCHEME://HOST[:PORT]: may be shown, the path may hold a token */
	char			*path;		/* with the query */
	char			*target;	/* Telegram's chat, ntfy's topic; NULL: none */
	char			*bearer;	/* ntfy's token; NULL: none */
	struct webhook_keys	 keys;		/* to sign with; none: not signed */
	struct filter		*filter;	/* NULL: everything */
};

struct webhook_confs {
	size_t			 count;
	struct webhook_conf	*items;
};

/* All sections of the file; errors go to conf_finish()'s report. */
void	 webhook_conf_read(struct conf *c, struct webhook_confs *out);
void	 webhook_conf_release(struct webhook_confs *w);
void	 webhook_conf_print(const struct webhook_confs *w);	/* effective values, to stdout; no secrets */
#endif
