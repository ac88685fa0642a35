#include "common/conf.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf_value.h"
#include "common/log.h"

#define CHUNK_MAX	190	/* inih cuts lines at 199 bytes; ours go to it in pieces */

struct entry {
	char		*key, *value;
	int		 line;
	bool		 known;		/* some table has it */
	struct entry	*next;
};

struct conf_section {
	char			*kind, *label;	/* label NULL: [kind] */
	int			 line;
	bool			 owned;		/* some table filled it */
	struct entry		*entries, **last_entry;
	struct conf_section	*next;
};

struct error {
	int		 line;
	char		*text;
	struct error	*next;
};

struct conf {
	char			*path;
	struct conf_section	*sections, **last_section;
	struct error		*errors;
	const char		*ignored[16];
	size_t			 ignored_count;
	bool			 ignores_rest;
	/* While reading: the line at hand, handed to inih in chunks. */
	FILE			*file;
	char			*line_text, *rest;
	size_t			 line_cap;
	int			 line;
	bool			 mid_line;	/* a chunk of it has been handed over */
	struct entry		*last;		/* the entry a further chunk continues */
};

static void
add_error(struct conf *c, int line, const char *key, const char *fmt, va_list ap)
{
	struct error	*e = xcalloc(1, sizeof(*e)), **at = &c->errors;
	char		 what[1024], text[2048];

	vsnprintf(what, sizeof(what), fmt, ap);
	snprintf(text, sizeof(text), "%s:%d: %s%s%s", c->path, line, key == NULL ? "" : key, key == NULL ? "" : ": ", what);
	e->line = line;
	e->text = xstrdup(text);
	while (*at != NULL && (*at)->line <= line)
		at = &(*at)->next;
	e->next = *at;
	*at = e;
}

static void __attribute__((format(printf, 4, 5)))
error_at(struct conf *c, int line, const char *key, const char *fmt, ...)
{
	va_list	 ap;

	va_start(ap, fmt);
	add_error(c, line, key, fmt, ap);
	va_end(ap);
}

static struct entry *
find_entry(const struct conf_section *s, const char *key)
{
	for (struct entry *e = s == NULL ? NULL : s->entries; e != NULL; e = e->next)
		if (strcmp(e->key, key) == 0)
			return e;
	return NULL;
}

void
conf_error(struct conf *c, const struct conf_section *s, const char *key, const char *fmt, ...)
{
	struct entry	*e = key == NULL ? NULL : find_entry(s, key);
	va_list		 ap;

	va_start(ap, fmt);
	add_error(c, e != NULL ? e->line : s != NULL ? s->line : 0, key, fmt, ap);
	va_end(ap);
}

/* Reading */

/* "[kind label]" begins a section, also an empty one, which inih never mentions. */
static void
begin_section(struct conf *c, char *header)
{
	struct conf_section	*s;
	char			*end = strchr(header, ']'), *kind = header + 1, *label;
	bool			 twin;

	if (end == NULL) {
		error_at(c, c->line, NULL, "\"%s\" has no closing bracket", header);
		return;
	}
	*end = '\0';
	kind += strspn(kind, " \t");
	label = kind + strcspn(kind, " \t");
	if (*label != '\0')
		*label++ = '\0';
	label += strspn(label, " \t");
	label[strcspn(label, " \t")] = '\0';
	twin = conf_section(c, kind, *label == '\0' ? NULL : label) != NULL;
	if (twin)
		error_at(c, c->line, NULL, "[%s%s%s] stands in this file already: put its keys into one section",
		    kind, *label == '\0' ? "" : " ", label);
	s = xcalloc(1, sizeof(*s));
	s->kind = xstrdup(kind);
	s->label = *label == '\0' ? NULL : xstrdup(label);
	s->line = c->line;
	s->owned = twin;		/* one complaint about it is enough */
	s->last_entry = &s->entries;
	*c->last_section = s;
	c->last_section = &s->next;
}

/* A comment begins with ; or # at the start of a line, or with ; after a blank. */
static void
cut_comment(char *line)
{
	for (char *p = line; *p != '\0'; p++)
		if ((*p == ';' && (p == line || p[-1] == ' ' || p[-1] == '\t')) || (*p == '#' && p == line)) {
			*p = '\0';
			return;
		}
}

static bool
next_line(struct conf *c)
{
	char	 copy[CHUNK_MAX + 1];
	ssize_t	 len = getline(&c->line_text, &c->line_cap, c->file);

	if (len == -1)
		return false;
	c->line++;
	while (len > 0 && isspace((unsigned char)c->line_text[len - 1]))
		c->line_text[--len] = '\0';
	if (strlen(c->line_text) != (size_t)len) {
		error_at(c, c->line, NULL, "a NUL byte: this is no text file");
		c->line_text[0] = '\0';
	}
	c->rest = c->line_text;
	if (c->line == 1 && strncmp(c->rest, "\xef\xbb\xbf", 3) == 0)
		c->rest += 3;
	/* An indented line is a line like any other, not inih's continuation. */
	c->rest += strspn(c->rest, " \t");
	cut_comment(c->rest);
	c->last = NULL;
	c->mid_line = false;
	if (*c->rest == '[') {
		snprintf(copy, sizeof(copy), "%s", c->rest);
		begin_section(c, copy);
	} else if (*c->rest != '\0' && (strpbrk(c->rest, "=:") == NULL || *c->rest == '=' || *c->rest == ':')) {
		error_at(c, c->line, NULL, "\"%.60s\" is neither [section] nor key = value", c->rest);
		*c->rest = '\0';
	}
	return true;
}

/* inih's reader: fgets() with lines of any length, the rest of one as an indented continuation. */
static char *
read_chunk(char *buf, int size, void *arg)
{
	struct conf	*c = arg;
	size_t		 cut;

	if ((c->rest == NULL || *c->rest == '\0') && !next_line(c))
		return NULL;
	cut = strlen(c->rest);
	if (cut > CHUNK_MAX) {
		for (cut = CHUNK_MAX; cut > 0 && c->rest[cut] != ' ' && c->rest[cut] != '\t'; cut--)
			;
		if (cut == 0) {
			error_at(c, c->line, NULL, "a word of more than %d bytes", CHUNK_MAX);
			cut = CHUNK_MAX;
		}
	}
	snprintf(buf, (size_t)size, "%s%.*s\n", c->mid_line ? " " : "", (int)cut, c->rest);
	c->mid_line = true;
	c->rest += cut;
	c->rest += strspn(c->rest, " \t");
	return buf;
}

static int
entry_cb(void *arg, const char *section, const char *key, const char *value)
{
	struct conf		*c = arg;
	struct conf_section	*s = NULL;
	struct entry		*e, *twin;
	size_t			 size;

	for (struct conf_section *i = c->sections; i != NULL; i = i->next)
		s = i;			/* the last one is the one at hand */
	if (s == NULL || *section == '\0') {
		error_at(c, c->line, key, "stands before the first [section]");
		return 1;
	}
	if (c->last != NULL && strcmp(c->last->key, key) == 0) {	/* a further chunk */
		size = strlen(c->last->value) + strlen(value) + 2;
		c->last->value = xrealloc(c->last->value, size);
		strcat(strcat(c->last->value, " "), value);
		return 1;
	}
	if ((twin = find_entry(s, key)) != NULL)
		error_at(c, c->line, key, "is set in line %d already", twin->line);
	e = xcalloc(1, sizeof(*e));
	e->key = xstrdup(key);
	e->value = xstrdup(value);
	e->line = c->line;
	e->known = twin != NULL;	/* one complaint about it is enough */
	*s->last_entry = e;
	s->last_entry = &e->next;
	c->last = e;
	return 1;
}

struct conf *
conf_read(const char *path)
{
	struct conf	*c = xcalloc(1, sizeof(*c));

	c->path = xstrdup(path);
	c->last_section = &c->sections;
	if ((c->file = fopen(path, "re")) == NULL) {
		error_at(c, 0, NULL, "%s: name a configuration that can be read with -c FILE", strerror(errno));
		return c;
	}
	/* next_line() has complained of what inih would: its line numbers count chunks. */
	(void)ini_parse_stream(read_chunk, c, entry_cb, c);
	if (ferror(c->file))
		error_at(c, 0, NULL, "cannot be read: %s", strerror(EIO));
	fclose(c->file);
	c->file = NULL;
	free(c->line_text);
	c->line_text = c->rest = NULL;
	return c;
}

void
conf_free(struct conf *c)
{
	struct conf_section	*s;
	struct entry		*e;
	struct error		*x;

	if (c == NULL)
		return;
	while ((s = c->sections) != NULL) {
		c->sections = s->next;
		while ((e = s->entries) != NULL) {
			s->entries = e->next;
			free(e->key);
			free(e->value);
			free(e);
		}
		free(s->kind);
		free(s->label);
		free(s);
	}
	while ((x = c->errors) != NULL) {
		c->errors = x->next;
		free(x->text);
		free(x);
	}
	free(c->path);
	free(c);
}

/* Looking up */

const struct conf_section *
conf_section(const struct conf *c, const char *kind, const char *label)
{
	const struct conf_section	*s = NULL;

	while ((s = conf_next(c, kind, s)) != NULL)
		if (label == NULL ? s->label == NULL : s->label != NULL && strcmp(s->label, label) == 0)
			return s;
	return NULL;
}

const struct conf_section *
conf_next(const struct conf *c, const char *kind, const struct conf_section *previous)
{
	const struct conf_section	*s = previous == NULL ? c->sections : previous->next;

	while (s != NULL && strcmp(s->kind, kind) != 0)
		s = s->next;
	return s;
}

const char *
conf_label(const struct conf_section *s)
{
	return s->label;
}

const char *
conf_text(const struct conf_section *s, const char *key)
{
	struct entry	*e = find_entry(s, key);

	return e == NULL ? NULL : e->value;
}

/* Filling */

void
conf_fill(struct conf *c, const struct conf_section *s, const struct conf_key *keys, void *values)
{
	char		 why[512];
	struct entry	*e;
	void		*out;

	if (s != NULL)
		((struct conf_section *)(uintptr_t)s)->owned = true;	/* ours to change: handed out const */
	for (const struct conf_key *k = keys; k->name != NULL; k++) {
		out = (char *)values + k->offset;
		if (k->def != NULL && !conf_value_set(k, k->def, out, why, sizeof(why)))
			fatalx("conf", "the default of %s does not fit its own table row: %s", k->name, why);
		if ((e = find_entry(s, k->name)) != NULL) {
			e->known = true;
			if (*e->value == '\0' && k->def == NULL)
				error_at(c, e->line, k->name, "is empty: %s is needed", k->help);
			else if (!conf_value_set(k, e->value, out, why, sizeof(why)))
				error_at(c, e->line, k->name, "%s%s%s is not allowed: %s", k->secret ? "" : "\"",
				    k->secret ? "this value" : e->value, k->secret ? "" : "\"", why);
		} else if (k->def == NULL)
			conf_error(c, s, NULL, "%s: is missing: %s", k->name, k->help);
	}
}

void
conf_clear(const struct conf_key *keys, void *values)
{
	for (const struct conf_key *k = keys; k->name != NULL; k++)
		conf_value_clear(k, (char *)values + k->offset);
}

/* The verdict */

void
conf_ignore(struct conf *c, const char *kind)
{
	if (c->ignored_count < sizeof(c->ignored) / sizeof(c->ignored[0]))
		c->ignored[c->ignored_count++] = kind;
}

void
conf_ignore_rest(struct conf *c)
{
	c->ignores_rest = true;
}

static bool
is_ignored(const struct conf *c, const char *kind)
{
	for (size_t i = 0; i < c->ignored_count; i++)
		if (strcmp(c->ignored[i], kind) == 0)
			return true;
	return false;
}

int
conf_finish(struct conf *c, FILE *out)
{
	int	 count = 0;

	for (struct conf_section *s = c->sections; s != NULL; s = s->next) {
		if (is_ignored(c, s->kind))
			continue;
		if (!s->owned && c->ignores_rest)
			continue;
		if (!s->owned) {
			error_at(c, s->line, NULL, "[%s%s%s] is no section of tocsin: see tocsin.conf(5)",
			    s->kind, s->label == NULL ? "" : " ", s->label == NULL ? "" : s->label);
			continue;
		}
		for (struct entry *e = s->entries; e != NULL; e = e->next)
			if (!e->known)
				error_at(c, e->line, e->key, "is no key of [%s%s]: see tocsin.conf(5)", s->kind, s->label == NULL ? "" : " NAME");
	}
	for (struct error *e = c->errors; e != NULL; e = e->next, count++)
		fprintf(out, "%s\n", e->text);
	return count;
}

void
conf_print(FILE *out, const char *kind, const char *label, const struct conf_key *keys, const void *values)
{
	fprintf(out, "[%s%s%s]\n", kind, label == NULL ? "" : " ", label == NULL ? "" : label);
	for (const struct conf_key *k = keys; k->name != NULL; k++) {
		fprintf(out, "; %s\n%s = ", k->help, k->name);
		conf_value_print(out, k, (const char *)values + k->offset);
		fprintf(out, "\n");
	}
	fprintf(out, "\n");
}
