/* The pure half of net.h: URLs, and values of headers. */
#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/net.h"

#define HTTPS_PORT	443
#define HTTP_PORT	80

static bool
refuse(char *why, size_t why_size, const char *scheme, const char *what)
{
	snprintf(why, why_size, "%s: a URL as %s://HOST[:PORT]%s is expected", what, scheme,
	    strcmp(scheme, "wss") == 0 ? "/PATH" : "");
	return false;
}

static bool
name_ok(const char *host)
{
	const char	*label = host;
	size_t		 len;

	for (;;) {
		len = strcspn(label, ".");
		if (len == 0 || len > 63 || label[0] == '-' || label[len - 1] == '-')
			return false;
		if (strspn(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") < len)
			return false;
		if (label[len] == '\0')
			break;
		label += len + 1;
	}
	/* What ends in a number is an IPv4 address or nothing. */
	return strspn(label, "0123456789") < len;
}

/* The host's name or address at `text`, `len` bytes, into the URL. */
static bool
take_host(struct net_url *url, const char *text, size_t len, bool brackets)
{
	unsigned char	 address[16];

	if (len == 0 || len >= sizeof(url->host))
		return false;
	for (size_t i = 0; i < len; i++)
		url->host[i] = (char)tolower((unsigned char)text[i]);
	url->host[len] = '\0';
	if (strlen(url->host) != len)
		return false;
	url->is_address = inet_pton(brackets ? AF_INET6 : AF_INET, url->host, address) == 1;
	return url->is_address || (!brackets && name_ok(url->host));
}

static bool
take_port(struct net_url *url, const char *text, size_t len)
{
	unsigned	 port = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!isdigit((unsigned char)text[i]))
			return false;
		port = port * 10 + (unsigned)(text[i] - '0');
	}
	url->port = (uint16_t)port;
	return port >= 1 && port <= 65535;
}

static bool
path_ok(const char *path)
{
	for (; *path != '\0'; path++)
		if (*path <= ' ' || *path > '~' || strchr("\"<>\\^`{|}", *path) != NULL)
			return false;
	return true;
}

bool
net_url_parse(struct net_url *url, const char *scheme, const char *text, char *why, size_t why_size)
{
	size_t		 scheme_len = strlen(scheme), len;
	const char	*at;
	bool		 brackets;

	memset(url, 0, sizeof(*url));
	url->port = url->default_port = strcmp(scheme, "http") == 0 ? HTTP_PORT : HTTPS_PORT;
	if (strncasecmp(text, scheme, scheme_len) != 0 || strncmp(text + scheme_len, "://", 3) != 0)
		return refuse(why, why_size, scheme, "another scheme, or none");
	at = text + scheme_len + 3;
	len = strcspn(at, "/?#");
	if (memchr(at, '@', len) != NULL)
		return refuse(why, why_size, scheme, "a user or password in it");
	if (strchr(at + len, '#') != NULL)
		return refuse(why, why_size, scheme, "a # in it");
	brackets = *at == '[';
	if (brackets) {
		at++;
		len = strcspn(at, "]/?");
		if (at[len] != ']')
			return refuse(why, why_size, scheme, "no ] behind the address");
	} else
		len = strcspn(at, ":/?");
	if (!take_host(url, at, len, brackets))
		return refuse(why, why_size, scheme, "no good host");
	at += len + (brackets ? 1 : 0);
	if (*at == ':') {
		len = strcspn(++at, "/?");
		if (!take_port(url, at, len))
			return refuse(why, why_size, scheme, "no good port (1 to 65535)");
		at += len;
	}
	if (*at == '?')
		return refuse(why, why_size, scheme, "a ? without a / before it");
	if (*at != '\0' && *at != '/')
		return refuse(why, why_size, scheme, "something between address and path");
	if (!path_ok(at))
		return refuse(why, why_size, scheme, "bytes in the path that must be written as %XX");
	url->path = *at == '\0' ? "/" : at;
	return true;
}

bool
net_wss_ok(const char *value, char *why, size_t why_size)
{
	struct net_url	 url;

	return net_url_parse(&url, "wss", value, why, why_size);
}

bool
net_https_ok(const char *value, char *why, size_t why_size)
{
	struct net_url	 url;

	if (!net_url_parse(&url, "https", value, why, why_size))
		return false;
	return strcmp(url.path, "/") == 0 || refuse(why, why_size, "https", "a path");
}

char *
net_authority(const struct net_url *url, char out[NET_AUTHORITY_MAX])
{
	bool	 brackets = strchr(url->host, ':') != NULL;
	int	 n = snprintf(out, NET_AUTHORITY_MAX, "%s%s%s", brackets ? "[" : "", url->host, brackets ? "]" : "");

	if (url->port != url->default_port)
		snprintf(out + n, NET_AUTHORITY_MAX - (size_t)n, ":%u", (unsigned)url->port);
	return out;
}

/* The three forms of RFC 9110, section 5.6.7; names of days and months are English whatever the locale: we never set one. */
static bool
parse_http_date(const char *value, int64_t *wall_s)
{
	static const char *const	 forms[] = { "%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y" };
	struct tm			 tm;
	const char			*end;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		memset(&tm, 0, sizeof(tm));
		if ((end = strptime(value, forms[i], &tm)) != NULL && *end == '\0') {
			*wall_s = (int64_t)timegm(&tm);
			return true;
		}
	}
	return false;
}

int64_t
net_retry_after_ms(const char *value, int64_t wall_us, int64_t max_ms)
{
	size_t	 digits = strspn(value, "0123456789");
	int64_t	 wall_s, ms = 0;

	if (digits > 0 && value[digits] == '\0') {
		for (; *value != '\0' && ms <= max_ms; value++)
			ms = ms * 10 + (*value - '0') * INT64_C(1000);
	} else if (parse_http_date(value, &wall_s)) {
		ms = wall_s * 1000 - wall_us / 1000;
	} else
		return -1;
	return ms < 0 ? 0 : ms > max_ms ? max_ms : ms;
}
