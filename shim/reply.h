/*
 * reply.h
 *		Answers: headers, problem documents, and handing them to MHD.
 *
 * Each of these answers the request, once; the request may be suspended or
 * still inside MHD's handler.
 */
#ifndef SHIM_REPLY_H
#define SHIM_REPLY_H

#include <sys/types.h>

#include "shim/request.h"

/* A problem of the shim's own; the words stand in reply.c. */
extern void reply_problem(Request *r, int status, const char *code);

/*
 * The refusal that is known (r->refused, or r->answer of the database), in the
 * middle of a body that is not read to its end; then the connection is to be
 * closed.
 */
extern void reply_in_body(Request *r);

/* r->answer, as it came from dispatch() or the cache. */
extern void reply_answer(Request *r);

/*
 * The head of r->answer; read() gives the body bit by bit, as MHD's content
 * readers do.
 */
extern void reply_stream(Request *r, ssize_t (*read) (void *r, uint64_t position, char *to, size_t max));

/* A document of the shim's own: /healthz, /metrics, /openapi.json, /docs. */
extern void reply_document(Request *r, int status, const char *content_type,
						   Str body, const char *etag, const char *cache_control);

/* 204 for an OPTIONS request. */
extern void reply_options(Request *r);

/* 32 hex digits of the body's SHA-256. */
extern void reply_etag(Str body, char etag[33]);

/*
 * Takes the next member off a JSON object of strings and numbers, the form of
 * dispatch()'s headers.  Texts are unescaped into the arena.
 */
extern bool reply_next_header(Arena *arena, Str *rest, Str *name, Str *value);

#endif							/* SHIM_REPLY_H */
