/* settings: the relay's part of the configuration file. */
#ifndef TOCSIN_RELAY_SETTINGS_H
#define TOCSIN_RELAY_SETTINGS_H
#include <stdbool.h>
#include <stdint.h>

#include "common/conf.h"
#include "common/suite.h"
#include "relay/tokens.h"
#include "relay/webhook_conf.h"

struct settings {
	struct suite_conf	 suite;
	char			*database;	/* NULL: suite.database */
	int64_t			 client_buffer, ring_bytes;
	int64_t			 max_clients, ring_size;
	int64_t			 keepalive_ms;
	struct conf_list	 public_hosts, cors_origins;
	char			*tls_cert, *tls_key;	/* NULL: no TLS */
	int64_t			 max_per_address;
	int64_t			 request_ms;
	struct webhook_confs	 webhooks;
	char			*jwt_secret_file;	/* NULL: none */
	struct conf_list	 anonymous;
	struct tokens		 tokens;
	char			*path;		/* of the file */
};

/*
 * Read the file; every error goes to stderr, or (the second) to the log.  False
 * when there was one; release in any case.
 */
bool		 settings_read(struct settings *s, const char *path);
bool		 settings_read_again(struct settings *s, const char *path);
void		 settings_release(struct settings *s);
void		 settings_print(const struct settings *s);	/* effective values, to stdout */
const char	*settings_database(const struct settings *s);
#endif
