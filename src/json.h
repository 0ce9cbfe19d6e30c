/*-------------------------------------------------------------------------
 *
 * json.h
 *	  From the bytes of an API answer to the fields that were asked for.
 *
 * A caller describes the members it wants of a JSON object as a table and
 * gets their values back as strings, in the table's order, in one block of
 * memory.  Members that the table does not name are parsed and forgotten.
 *
 * May call: json-c (json.c is the only includer of it) and the C library.
 * Must never: throw, palloc, log, or know of PostgreSQL, HTTP or the API.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_JSON_H
#define OMF_JSON_H

#include <stddef.h>

/*
 * How deep arrays and objects may nest.  The API nests five deep; a parser
 * that recurses needs some bound, and this one is far from both.
 */
#define OMF_JSON_MAX_DEPTH 32

/* One member of the object that is wanted; its value must be a string. */
typedef struct OmfJsonMember
{
	const char *name; /* as in the document; NULL: its value is to be NULL */
} OmfJsonMember;

/*
 * The values of the wanted members: one malloc'd block, released by free().
 * A value is NULL where the member is missing or null, else UTF-8 text
 * without NUL bytes that points into the block.
 */
typedef struct OmfRecord
{
	int nvalues;          /* as many as members were asked for */
	const char *values[]; /* in the order of the member table */
} OmfRecord;

typedef enum OmfJsonStatus
{
	OMF_JSON_OK,
	OMF_JSON_MALFORMED, /* not JSON, or not in UTF-8 */
	OMF_JSON_TOO_DEEP,  /* nested beyond OMF_JSON_MAX_DEPTH */
	OMF_JSON_MISFIT,    /* not an object, or a member that is no string */
	OMF_JSON_NO_MEMORY
} OmfJsonStatus;

/* Room that a caller gives omf_json_decode to say what was wrong. */
#define OMF_JSON_REASON_SIZE 160

/*
 * Decode `length` bytes of `text`, one JSON object and nothing after it.
 * On success *record is set and the caller frees it.  Otherwise `reason`
 * says what was wrong, in words fit for a DETAIL and without any of the
 * document's values.
 */
extern OmfJsonStatus omf_json_decode(const char *text, size_t length,
									 const OmfJsonMember *members, int nmembers,
									 OmfRecord **record,
									 char reason[OMF_JSON_REASON_SIZE]);

#endif /* OMF_JSON_H */
