/*
 * upload.h
 *		Bodies that travel to the database while they arrive (lane stream).
 */
#ifndef SHIM_UPLOAD_H
#define SHIM_UPLOAD_H

#include "shim/request.h"

typedef enum UploadTake
{
	UPLOAD_TAKEN,				/* the bytes are ours */
	UPLOAD_WAIT,				/* suspend, and offer them again */
	UPLOAD_REFUSED				/* the answer is known: read on and drop them */
} UploadTake;

/* The gate let it through: open a session. */
extern void upload_begin(Request *r);

/* Some of the body. */
extern UploadTake upload_body(Request *r, const char *data, size_t len);

/* The body is complete.  Answers now or later. */
extern void upload_finish(Request *r);

/* The deadline passed, or the client left: undo what there is. */
extern void upload_abort(Request *r);

#endif							/* SHIM_UPLOAD_H */
