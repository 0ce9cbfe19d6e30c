/*-------------------------------------------------------------------------
 *
 * json.h
 *	  From the bytes of an API answer to the fields that were asked for.
 *
 * A caller describes the members it wants of a JSON object as a table and
 * gets their values back as strings, in the table's order, in one block of
 * memory.  Members that the table does not name are parsed and forgotten.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_JSON_H
#define OMF_JSON_H

#include <stdbool.h>
#include <stddef.h>

/*
 * How deep arrays and objects may nest.  The API nests five deep; a parser
 * that recurses needs some bound, and this one is far from both.
 */
#define OMF_JSON_MAX_DEPTH 32

/* The most members that can be asked for at once. */
#define OMF_JSON_MAX_MEMBERS 32

typedef enum OmfJsonType
{
	OMF_JSON_STRING,
	OMF_JSON_ID, /* a string that may be empty, which stands for none */
	OMF_JSON_INTEGER,
	OMF_JSON_STRINGS /* an array of strings */
} OmfJsonType;

/* One member of an object that is wanted. */
typedef struct OmfJsonMember
{
	const char *path; /* "name", or "outer.name" in a nested object; NULL: no value */
	OmfJsonType type; /* what it must be, where it is there and not null */
} OmfJsonMember;

/*
 * The values of the wanted members: one malloc'd block, released by free().
 * A value is NULL where the member is missing or null.  Else it is text in
 * UTF-8 without NUL bytes that points into the block: a string as it is, an
 * integer in decimal, an array as SQL writes it: {"a","b"}.
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
	OMF_JSON_MISFIT,    /* something is not of the type that was expected */
	OMF_JSON_NO_MEMORY
} OmfJsonStatus;

/*
 * Room for the reason of a failure: a sentence fit for a DETAIL, without any
 * of the document's values.
 */
#define OMF_JSON_REASON_SIZE 160

/* A parsed document. */
typedef struct OmfJson OmfJson;

/*
 * Parse `length` bytes of `text`, one JSON value and nothing after it; NULL
 * with *status and the reason set on failure.
 */
extern OmfJson *omf_json_parse(const char *text, size_t length,
							   OmfJsonStatus *status,
							   char reason[OMF_JSON_REASON_SIZE]);

/* Free the document, after wiping the strings in it: some are passwords. */
extern void omf_json_free(OmfJson *document);

/*
 * The wanted members of the object at `path` ("" for the document itself);
 * the caller free()s *record.
 */
extern OmfJsonStatus omf_json_record(const OmfJson *document, const char *path,
									 const OmfJsonMember *members, int nmembers,
									 OmfRecord **record,
									 char reason[OMF_JSON_REASON_SIZE]);

/* Parse a text, take the record of the whole of it, and free the document. */
extern OmfJsonStatus omf_json_decode(const char *text, size_t length,
									 const OmfJsonMember *members, int nmembers,
									 OmfRecord **record,
									 char reason[OMF_JSON_REASON_SIZE]);

/* Is there anything but null at `path`? */
extern bool omf_json_has(const OmfJson *document, const char *path);

/* The length of the array at `path`, or -1 if there is no array. */
extern int omf_json_length(const OmfJson *document, const char *path);

/* Like omf_json_record(), of element `index` of the array at `path`. */
extern OmfJsonStatus omf_json_element(const OmfJson *document, const char *path,
									  int index, const OmfJsonMember *members,
									  int nmembers, OmfRecord **record,
									  char reason[OMF_JSON_REASON_SIZE]);

#endif /* OMF_JSON_H */
