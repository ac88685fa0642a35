/*
 * service: the generator at work: feeds -> engine -> writer, wired together in
 * one event loop, with its heartbeat, signals and a clean end.
 */
#ifndef TOCSIN_GENERATOR_SERVICE_H
#define TOCSIN_GENERATOR_SERVICE_H

/* Run with the configuration at `path` until told to stop; returns the exit code. */
int	 service_run(const char *path);
#endif
