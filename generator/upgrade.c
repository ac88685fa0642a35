#include "generator/upgrade.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/log.h"

char *
upgrade_key(const unsigned char nonce[HANDSHAKE_NONCE_BYTES], char key[HANDSHAKE_KEY_MAX])
{
	EVP_EncodeBlock((unsigned char *)key, nonce, HANDSHAKE_NONCE_BYTES);
	return key;
}

char *
upgrade_request(const struct net_url *url, const char *user_agent, const char *key)
{
	char	 authority[NET_AUTHORITY_MAX], *out;

	if (asprintf(&out, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\nUser-Agent: %s\r\n\r\n",
	    url->path, net_authority(url, authority), key, user_agent) == -1)
		fatal("upgrade", "no memory");
	return out;
}

/* A piece of what came; not NUL-terminated. */
struct piece {
	const char	*text;
	size_t		 len;
};

/* What the headers say that matters here. */
struct heads {
	unsigned	 upgrade, connection, accept;	/* how many that say the right thing */
	bool		 wrong_accept, extension, protocol;
	bool		 has_length;
	size_t		 length;
};

static bool
is(struct piece p, const char *word)
{
	return p.len == strlen(word) && strncasecmp(p.text, word, p.len) == 0;
}

static struct piece
trim(struct piece p)
{
	while (p.len > 0 && (*p.text == ' ' || *p.text == '\t'))
		p.text++, p.len--;
	while (p.len > 0 && (p.text[p.len - 1] == ' ' || p.text[p.len - 1] == '\t'))
		p.len--;
	return p;
}

/* Whether `word` is one of a comma-separated list. */
static bool
lists(struct piece list, const char *word)
{
	const char	*comma;
	struct piece	 item;

	for (;;) {
		comma = memchr(list.text, ',', list.len);
		item = (struct piece){ list.text, comma == NULL ? list.len : (size_t)(comma - list.text) };
		if (is(trim(item), word))
			return true;
		if (comma == NULL)
			return false;
		list.len -= item.len + 1;
		list.text = comma + 1;
	}
}

static enum upgrade_verdict
bad(struct upgrade_answer *answer, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	vsnprintf(answer->why, sizeof(answer->why), fmt, ap);
	va_end(ap);
	return UPGRADE_BAD;
}

/* HTTP/1.x NNN, a blank and any text. */
static bool
parse_status(struct piece line, int *status)
{
	const char	*s = line.text;

	if (line.len < 12 || memcmp(s, "HTTP/1.", 7) != 0 || !isdigit((unsigned char)s[7]) || s[8] != ' ')
		return false;
	for (int i = 9; i < 12; i++)
		if (!isdigit((unsigned char)s[i]))
			return false;
	if (s[9] < '1' || s[9] > '5' || (line.len > 12 && s[12] != ' '))
		return false;
	*status = (s[9] - '0') * 100 + (s[10] - '0') * 10 + (s[11] - '0');
	return true;
}

static void
note_header(struct heads *h, struct piece name, struct piece value, const char *key, int64_t wall_us, struct upgrade_answer *answer)
{
	char	 text[UPGRADE_BODY_MAX], accept[HANDSHAKE_KEY_MAX];

	if (is(name, "Upgrade"))
		h->upgrade += is(value, "websocket");
	else if (is(name, "Connection"))
		h->connection += lists(value, "upgrade");
	else if (is(name, "Sec-WebSocket-Accept")) {
		handshake_accept(key, accept);
		if (value.len == strlen(accept) && memcmp(value.text, accept, value.len) == 0)
			h->accept++;
		else
			h->wrong_accept = true;
	} else if (is(name, "Sec-WebSocket-Extensions"))
		h->extension = true;
	else if (is(name, "Sec-WebSocket-Protocol"))
		h->protocol = true;
	else if (is(name, "Content-Length") || is(name, "Retry-After")) {
		snprintf(text, sizeof(text), "%.*s", value.len < sizeof(text) ? (int)value.len : 0, value.text);
		if (is(name, "Retry-After"))
			answer->retry_after_ms = net_retry_after_ms(text, wall_us, UPGRADE_RETRY_MAX_MS);
		else {
			h->has_length = true;
			h->length = strtoul(text, NULL, 10);
		}
	}
}

/* One line of the head, without its CRLF. */
static bool
parse_header(struct piece line, struct piece *name, struct piece *value)
{
	const char	*colon = memchr(line.text, ':', line.len);

	if (colon == NULL || colon == line.text)
		return false;
	*name = (struct piece){ line.text, (size_t)(colon - line.text) };
	for (size_t i = 0; i < name->len; i++)
		if (!isalnum((unsigned char)name->text[i]) &&
		    (name->text[i] == '\0' || strchr("!#$%&'*+-.^_`|~", name->text[i]) == NULL))
			return false;
	*value = trim((struct piece){ colon + 1, line.len - name->len - 1 });
	for (size_t i = 0; i < value->len; i++)
		if ((unsigned char)value->text[i] < ' ' && value->text[i] != '\t')
			return false;
	return true;
}

static enum upgrade_verdict
judge_101(char minor, const struct heads *h, struct upgrade_answer *answer)
{
	if (minor == '0')
		return bad(answer, "protocol: answer 101 in HTTP/1.0, which has no upgrades");
	if (h->upgrade == 0 || h->connection == 0)
		return bad(answer, "protocol: answer 101 without Upgrade: websocket and Connection: Upgrade");
	if (h->wrong_accept || h->accept != 1)
		return bad(answer, "protocol: answer 101 with %s Sec-WebSocket-Accept",
		    h->wrong_accept ? "a wrong" : h->accept == 0 ? "no" : "more than one");
	if (h->extension || h->protocol)
		return bad(answer, "protocol: answer 101 with %s that was not asked for",
		    h->extension ? "an extension" : "a subprotocol");
	return UPGRADE_OPEN;
}

static enum upgrade_verdict
judge_refusal(const struct heads *h, struct piece body, bool ended, struct upgrade_answer *answer)
{
	size_t	 wanted = h->has_length && h->length < UPGRADE_BODY_MAX ? h->length : UPGRADE_BODY_MAX;

	if (body.len < wanted && !ended)
		return UPGRADE_MORE;
	if (body.len > wanted)
		body.len = wanted;
	snprintf(answer->why, sizeof(answer->why), "refused with HTTP status %d%s%.*s", answer->status,
	    body.len > 0 ? ": " : "", (int)body.len, body.text);
	return UPGRADE_REFUSED;
}

enum upgrade_verdict
upgrade_parse(const char *bytes, size_t len, bool ended, const char *key, int64_t wall_us, struct upgrade_answer *answer)
{
	const char	*end = memmem(bytes, len, "\r\n\r\n", 4), *lf;
	struct heads	 h = { 0 };
	struct piece	 line, name, value;
	bool		 first = true;

	memset(answer, 0, sizeof(*answer));
	answer->retry_after_ms = -1;
	if (end == NULL ? len > UPGRADE_HEAD_MAX : (size_t)(end - bytes) > UPGRADE_HEAD_MAX)
		return bad(answer, "protocol: the answer's head is longer than %d bytes", UPGRADE_HEAD_MAX);
	/* Something else than HTTP need not be waited for. */
	if (memcmp(bytes, "HTTP/1.", len < 7 ? len : 7) != 0)
		return bad(answer, "protocol: the answer is not HTTP/1.1: %.*s", len < 40 ? (int)len : 40, bytes);
	if (end == NULL)
		return ended ? bad(answer, "protocol: the connection was closed within the answer's head") : UPGRADE_MORE;
	answer->head_len = (size_t)(end - bytes) + 4;
	for (const char *at = bytes; at < end + 2; at = lf + 2, first = false) {
		/* There is one: the head ends in two. */
		lf = memmem(at, (size_t)(end + 4 - at), "\r\n", 2);
		line = (struct piece){ at, (size_t)(lf - at) };
		if (first) {
			if (!parse_status(line, &answer->status))
				return bad(answer, "protocol: no HTTP status in the answer's first line");
			continue;
		}
		if (!parse_header(line, &name, &value))
			return bad(answer, "protocol: the answer has a header that is none");
		note_header(&h, name, value, key, wall_us, answer);
	}
	if (answer->status == 101)
		return judge_101(bytes[7], &h, answer);
	return judge_refusal(&h, (struct piece){ bytes + answer->head_len, len - answer->head_len }, ended, answer);
}
