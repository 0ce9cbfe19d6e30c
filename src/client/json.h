/*-------------------------------------------------------------------------
 *
 * json.h
 *	  From the bytes of an API answer to the fields that were asked for.
 *
 * A caller describes the members it wants of a JSON object as a table and
 * gets their values back as strings, in the table's order, in one block of
 * memory.  Members that the table does not name are checked and passed over.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_JSON_H
#define OMF_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How deep arrays and objects may nest.  The API nests five deep; a reader
 * that recurses needs some bound, and this one is far from both.
 */
#define OMF_JSON_MAX_DEPTH 32

/* The most members that can be asked for at once: the bits of OmfJsonSet. */
#define OMF_JSON_MAX_MEMBERS 32

/*
 * The most strings in an array that is wanted: as an SQL array each takes a
 * dozen times its bytes.
 */
#define OMF_JSON_MAX_STRINGS 10000

/* Some of the members of a table: bit i stands for the i-th. */
typedef uint32_t OmfJsonSet;
#define OMF_JSON_ALL ((OmfJsonSet) -1)

typedef enum OmfJsonType
{
	OMF_JSON_STRING,
	OMF_JSON_ID,      /* a string that may be empty, which stands for none */
	OMF_JSON_INTEGER, /* a whole number of 64 bits, be it as 1.0 or "1" */
	OMF_JSON_BOOLEAN,
	OMF_JSON_TIME,   /* a date and time as RFC 3339 has it; no zone: UTC */
	OMF_JSON_STRINGS /* an array of strings */
} OmfJsonType;

/* One member of an object that is wanted. */
typedef struct OmfJsonMember
{
	const char *path; /* "name", or "outer.name"; NULL: no value */
	OmfJsonType type; /* what it must be, where it is there and not null */
} OmfJsonMember;

/*
 * The values of the wanted members: one malloc'd block, released by free().
 * A value is NULL where the member is missing or null, or not of its type.
 * Else it is text in UTF-8 without NUL bytes that points into the block: a
 * string as it is, an integer in decimal, an array as SQL writes it:
 * {"a","b"}, a time always with its zone.
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
	OMF_JSON_TOO_LARGE, /* over a cap: nested too deep, or too many elements */
	OMF_JSON_MISFIT,    /* not an object, where one was expected */
	OMF_JSON_NO_MEMORY,
	OMF_JSON_STOPPED /* see omf_json_watch() */
} OmfJsonStatus;

/*
 * Room for the reason of a failure: a sentence fit for a DETAIL, without any
 * of the document's values.
 */
#define OMF_JSON_REASON_SIZE 160

/* A value in a document that has been checked: a part of its text. */
typedef struct OmfJson
{
	const char *text; /* NULL: there is none, or it is null */
	size_t length;    /* in bytes; 0: there is none */
} OmfJson;

/*
 * Check that `text` is one JSON value in UTF-8 and nothing besides; *document
 * is that value.  Takes no memory, and time in proportion to the length.
 */
extern OmfJsonStatus omf_json_check(const char *text, size_t length,
									OmfJson *document,
									char reason[OMF_JSON_REASON_SIZE]);

/*
 * A long text takes a while.  Until omf_json_unwatch(), must_stop() is asked
 * every few milliseconds whether to give up; after that nothing is found any
 * more, and omf_json_unwatch() returns true: what was read is to be thrown
 * away.  must_stop() may not throw.
 */
extern void omf_json_watch(bool (*must_stop)(void));
extern bool omf_json_unwatch(void);

/* Is there nothing in the text but white space? */
extern bool omf_json_is_blank(const char *text, size_t length);

/*
 * Put a question mark for each byte of a JSON text that is no part of UTF-8,
 * and for each \u0000, so that what is left can be read; its length then.
 */
extern size_t omf_json_make_legible(char *text, size_t length);

/* The value at a dotted path in an object; none where something is missing. */
extern OmfJson omf_json_find(OmfJson object, const char *path);

extern bool omf_json_is_array(OmfJson value);

/*
 * Go through an array: the element behind `element`, or the first one if that
 * is none.  False at the end.
 */
extern bool omf_json_next(OmfJson array, OmfJson *element);

/*
 * The wanted members of `object`, which `name` says in the reason ("" for the
 * answer as a whole).  Members that are not of their type are noted, not
 * judged: see omf_json_misfit().  The caller free()s *record.
 */
extern OmfJsonStatus omf_json_record(OmfJson object, const char *name,
									 const OmfJsonMember *members,
									 int nmembers, OmfRecord **record,
									 char reason[OMF_JSON_REASON_SIZE]);

/* The same for the whole of a text that has not been checked. */
extern OmfJsonStatus omf_json_decode(const char *text, size_t length,
									 const OmfJsonMember *members,
									 int nmembers, OmfRecord **record,
									 char reason[OMF_JSON_REASON_SIZE]);

/* Is a value among these not of its member's type?  The reason says which. */
extern bool omf_json_misfit(const OmfRecord *record,
							const OmfJsonMember *members, OmfJsonSet among,
							char reason[OMF_JSON_REASON_SIZE]);

/* Are all of its values of their members' types? */
extern bool omf_json_is_whole(const OmfRecord *record);

/*
 * A whole record as bytes without pointers: how many these are, and if `bytes`
 * is not NULL, there they go.
 */
extern size_t omf_json_pack(const OmfRecord *record, char *bytes);

/* So many bytes, aligned for anything, or NULL. */
typedef void *(*OmfAllocate)(void *arg, size_t size);

/*
 * The record of packed bytes, which begin at *bytes and end before `end`, and
 * go on behind it, as one block that allocate(arg, size) gives; NULL when that
 * gives none, or these are none.
 */
extern OmfRecord *omf_json_unpack(const char **bytes, const char *end,
								  OmfAllocate allocate, void *arg);

#endif /* OMF_JSON_H */
