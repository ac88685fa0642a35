/*
 * conf: one INI file (see tocsin.conf(5)), read by tables.
 *
 * A program reads the file once, lets one table a section fill one struct a
 * section, and then asks for the verdict, which names every error at once:
 *
 *	struct conf *c = conf_read("/etc/tocsin/tocsin.conf");
 *	conf_fill(c, conf_section(c, "relay", NULL), relay_keys, &relay);
 *	conf_ignore(c, "generator");		-- another program's
 *	if (conf_finish(c, stderr) > 0) exit(100);
 *	conf_free(c);				-- the structs keep their values
 *	...
 *	conf_clear(relay_keys, &relay);		-- frees what the values hold
 */
#ifndef TOCSIN_COMMON_CONF_H
#define TOCSIN_COMMON_CONF_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct conf;
struct conf_section;

enum conf_type {		/* in the file              in the struct */
	CONF_STR,		/* text                     char *, NULL when empty */
	CONF_INT,		/* 12                       int64_t */
	CONF_DOUBLE,		/* 0.5                      double */
	CONF_BOOL,		/* yes, no, on, off, …      bool */
	CONF_DURATION,		/* 500ms, 5s, 10m, 1h, 90d  int64_t, ms */
	CONF_SIZE,		/* 4096, 64K, 1M, 2G        int64_t, bytes */
	CONF_ENUM,		/* a word of `choices`      int, its index */
	CONF_LIST,		/* a, b, c                  struct conf_list */
};

struct conf_list {
	size_t	 count;
	char	**items;
};

struct conf_key {
	const char	*name;		/* NULL ends the table */
	enum conf_type	 type;
	bool		 secret;	/* the value may hold a password: never shown */
	size_t		 offset;	/* of the value in the struct */
	const char	*def;		/* default, as in the file; NULL: must be given; "" with CONF_STR: NULL */
	double		 min, max;	/* of numbers, durations (ms) and sizes (bytes); both 0: no limit */
	const char	*const *choices; /* CONF_ENUM: words, NULL at the end */
	const char	*help;		/* what it means, for people */
	/*
	 * A further check of the value's text, for strings and for each item of
	 * a list, or NULL.  False, with what is allowed in `why`, refuses it.
	 */
	bool		(*check)(const char *value, char *why, size_t why_size);
};

/*
 * Read the file.  Never NULL: a file that cannot be read or parsed is an error
 * that conf_finish() reports.
 */
struct conf	*conf_read(const char *path);
void		 conf_free(struct conf *c);

/*
 * The section [kind], or [kind label]; NULL when the file has none.
 * conf_next() walks the sections of a kind in file order, from NULL.
 */
const struct conf_section *conf_section(const struct conf *c, const char *kind, const char *label);
const struct conf_section *conf_next(const struct conf *c, const char *kind, const struct conf_section *previous);
const char	*conf_label(const struct conf_section *s);

/* The raw text of a key, NULL when it is not there. */
const char	*conf_text(const struct conf_section *s, const char *key);

/*
 * Fill the struct `values` from the section: defaults first, then the file.
 * `section` NULL: defaults only.  Every value gets something valid to look at,
 * also after an error.  A section may be filled through several tables; a key
 * that no table knows is an error.
 */
void		 conf_fill(struct conf *c, const struct conf_section *s, const struct conf_key *keys, void *values);
void		 conf_clear(const struct conf_key *keys, void *values);

/* Sections of this kind belong to another program: no complaint about them. */
void		 conf_ignore(struct conf *c, const char *kind);

/* For a reader of one section: all others are none of its business. */
void		 conf_ignore_rest(struct conf *c);

/* Add an error of the caller's own at a key's line (or the section's, or the file's when NULL). */
void		 conf_error(struct conf *c, const struct conf_section *s, const char *key, const char *fmt, ...)
		    __attribute__((format(printf, 4, 5)));

/* Write every error as `file:line: key: what, and what is allowed`; returns how many. */
int		 conf_finish(struct conf *c, FILE *out);

/* The effective values as a section of an INI file, each key with its help. */
void		 conf_print(FILE *out, const char *kind, const char *label, const struct conf_key *keys, const void *values);
#endif
