/* migrate: bring the database's schema to this program's, by the files of etc/sql inside it. */
#ifndef TOCSIN_GENERATOR_MIGRATE_H
#define TOCSIN_GENERATOR_MIGRATE_H

/*
 * Run every migration that the database does not have, each in a transaction,
 * one `tocsin migrate` at a time.  Says on stdout what it did.  Returns the
 * exit code: 0 up to date, 100 refused or impossible, 111 database away.
 */
int	 migrate_run(const char *conninfo);
#endif
