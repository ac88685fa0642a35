#include "relay/parser_head.h"

#include <string.h>
#include <strings.h>

#define LENGTH_DIGITS_MAX	15

#define BAD(s, e, h)	do {							\
	static const struct parser_error	 bad_ = { (s), (e), (h) };	\
	return &bad_;								\
} while (0)

static bool
is_token(const char *text, size_t len)
{
	static const char	 ok[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] == '\0' || strchr(ok, text[i]) == NULL)
			return false;
	return true;
}

/* The first line */

static const struct parser_error *
read_method(const char *text, struct message *out)
{
	static const struct { const char *name; unsigned method; } known[] = {
		{ "GET", REQUEST_GET }, { "HEAD", REQUEST_HEAD }, { "POST", REQUEST_POST }, { "OPTIONS", REQUEST_OPTIONS },
		{ "PUT", 0 }, { "DELETE", 0 }, { "PATCH", 0 },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strcmp(text, known[i].name) == 0) {
			out->method = known[i].method;
			return NULL;
		}
	if (is_token(text, strlen(text)))
		BAD(501, "this method is not known here", "GET, HEAD or POST");
	BAD(400, "no request line", "METHOD TARGET HTTP/1.1");
}

static const struct parser_error *
read_version(const char *text, struct message *out)
{
	if (strcmp(text, "HTTP/1.1") == 0 || strcmp(text, "HTTP/1.0") == 0) {
		out->minor = text[7] == '1';
		return NULL;
	}
	if (strncmp(text, "HTTP/", 5) == 0 && strspn(text + 5, "0123456789.") == strlen(text + 5))
		BAD(505, "this version of HTTP is not spoken here", "HTTP/1.1 or HTTP/1.0");
	BAD(400, "no request line", "METHOD TARGET HTTP/1.1");
}

/* http://HOST/PATH, as to a proxy: the host moves to where strings of it are looked for, so that the path stays one string. */
static const struct parser_error *
read_absolute(char *target, struct message *out)
{
	char	*host = strstr(target, "://") + 3, *end = host + strcspn(host, "/?");

	if (end == host)
		BAD(400, "the target has no host", "a path that begins with /");
	if (*end == '/') {
		/* "//HOST" becomes "/HOST\0": the blank between method and target leaves a byte. */
		memmove(host - 1, host, (size_t)(end - host));
		end[-1] = '\0';
		out->host = host - 1;
		out->path = end;
		return NULL;
	}
	if (*end == '?')
		BAD(400, "the target has no path", "a path that begins with /");
	out->host = host;
	out->path = "/";
	return NULL;
}

static const struct parser_error *
read_target(char *target, struct message *out)
{
	const struct parser_error	*bad = NULL;
	char				*query;

	for (const unsigned char *c = (unsigned char *)target; *c != '\0'; c++)
		if (*c <= ' ' || *c >= 0x7f || *c == '#')
			BAD(400, "the target has bytes that must be percent-encoded", "a path that begins with /");
	if (*target == '/' || (strcmp(target, "*") == 0 && out->method == REQUEST_OPTIONS))
		out->path = target;
	else if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0)
		bad = read_absolute(target, out);
	else
		BAD(400, "the target is no path", "a path that begins with /");
	if (bad == NULL && (query = strchr(out->path, '?')) != NULL) {
		*query = '\0';
		out->query = query + 1;
	}
	return bad;
}

const struct parser_error *
parser_head_first(char *line, struct message *out)
{
	const struct parser_error	*bad;
	char				*target = strchr(line, ' '), *version;

	if (target != NULL)
		*target++ = '\0';
	if ((bad = read_method(line, out)) != NULL)
		return bad;
	if (target == NULL || (version = strchr(target, ' ')) == NULL)
		BAD(400, "no request line", "METHOD TARGET HTTP/1.1");
	*version++ = '\0';
	if ((bad = read_version(version, out)) != NULL)
		return bad;
	return read_target(target, out);
}

/* The fields */

static const char *
unique(const struct message *m, const char *name, bool *twice)
{
	const char	*value = NULL;

	for (size_t i = 0; i < m->count; i++)
		if (strcasecmp(m->headers[i].name, name) == 0) {
			if (value != NULL)
				*twice = true;
			value = m->headers[i].value;
		}
	return value;
}

/* Whether a comma list has the word. */
static bool
has_word(const char *list, const char *word)
{
	size_t	 len;

	for (; *list != '\0'; list += len) {
		list += strspn(list, ", \t");
		len = strcspn(list, ", \t");
		if (len == strlen(word) && strncasecmp(list, word, len) == 0)
			return true;
	}
	return false;
}

static bool
any_has_word(const struct message *m, const char *name, const char *word)
{
	for (size_t i = 0; i < m->count; i++)
		if (strcasecmp(m->headers[i].name, name) == 0 && has_word(m->headers[i].value, word))
			return true;
	return false;
}

/* `line`: NAME:VALUE, ended by NUL. */
static const struct parser_error *
read_field(char *line, struct message *out)
{
	char	*value = strchr(line, ':'), *end;

	if (value == NULL || !is_token(line, (size_t)(value - line)))
		BAD(400, "a header's name is none", "NAME: VALUE, without blanks before the colon");
	if (out->count == PARSER_HEADERS_MAX)
		BAD(431, "too many headers", NULL);
	*value++ = '\0';
	value += strspn(value, " \t");
	for (end = value + strlen(value); end > value && (end[-1] == ' ' || end[-1] == '\t'); end--)
		;
	*end = '\0';
	out->headers[out->count++] = (struct header){ line, value };
	return NULL;
}

static const struct parser_error *
judge_host(struct message *m)
{
	bool		 twice = false;
	const char	*host = unique(m, "Host", &twice);

	if (twice)
		BAD(400, "more than one Host", NULL);
	if (host == NULL && m->minor)
		BAD(400, "no Host", "HTTP/1.1 asks for one");
	if (host != NULL && m->host != NULL && strcasecmp(host, m->host) != 0)
		BAD(400, "Host and target differ", NULL);
	if (host != NULL && strpbrk(host, " \t,/@\\") != NULL)
		BAD(400, "Host is no name", NULL);
	if (m->host == NULL && host != NULL && *host != '\0')
		m->host = host;
	return NULL;
}

static const struct parser_error *
read_length(const char *text, struct parser_framing *f)
{
	size_t	 digits = strspn(text, "0123456789");

	if (digits == 0 || text[digits] != '\0')
		BAD(400, "Content-Length is no number", NULL);
	for (size_t i = 0; i < digits && i <= LENGTH_DIGITS_MAX; i++)
		f->length = f->length * 10 + (size_t)(text[i] - '0');
	if (digits > LENGTH_DIGITS_MAX || f->length > PARSER_BODY_MAX)
		BAD(413, "the body is too large", "at most 64 kB");
	return NULL;
}

static const struct parser_error *
judge_framing(const struct message *m, struct parser_framing *f)
{
	bool		 twice = false;
	const char	*length = unique(m, "Content-Length", &twice), *coding = unique(m, "Transfer-Encoding", &twice);

	if (twice)
		BAD(400, "Content-Length or Transfer-Encoding comes twice", NULL);
	if (length != NULL && coding != NULL)
		BAD(400, "both Content-Length and Transfer-Encoding", NULL);
	if (coding != NULL && !m->minor)
		BAD(400, "Transfer-Encoding in HTTP/1.0", NULL);
	if (coding != NULL && strcasecmp(coding, "chunked") != 0)
		BAD(501, "this Transfer-Encoding is not known here", "chunked");
	f->chunked = coding != NULL;
	return length == NULL ? NULL : read_length(length, f);
}

static const struct parser_error *
judge_expect(const struct message *m, struct parser_framing *f)
{
	bool		 twice = false;
	const char	*expect = unique(m, "Expect", &twice);

	if (expect != NULL && (twice || strcasecmp(expect, "100-continue") != 0))
		BAD(417, "this expectation cannot be met", "100-continue");
	f->expects_continue = expect != NULL && m->minor;
	return NULL;
}

const struct parser_error *
parser_head_fields(char *text, size_t len, struct message *out, struct parser_framing *framing)
{
	const struct parser_error	*bad = NULL;
	char				*line, *end;
	bool				 twice = false;

	*framing = (struct parser_framing){ .length = 0 };
	for (line = text; line < text + len; line = end + 2) {
		end = memchr(line, '\r', (size_t)(text + len - line));
		*end = '\0';
		if ((bad = read_field(line, out)) != NULL)
			return bad;
	}
	if ((bad = judge_host(out)) != NULL || (bad = judge_framing(out, framing)) != NULL ||
	    (bad = judge_expect(out, framing)) != NULL)
		return bad;
	out->origin = unique(out, "Origin", &twice);
	if (twice)
		BAD(400, "more than one Origin", NULL);
	out->keep_alive = !any_has_word(out, "Connection", "close") &&
	    (out->minor || any_has_word(out, "Connection", "keep-alive"));
	out->has_upgrade = out->minor && any_has_word(out, "Connection", "upgrade");
	return NULL;
}
