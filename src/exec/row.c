/*-------------------------------------------------------------------------
 *
 * row.c
 *	  From an answer to the columns of a row.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "fmgr.h"
#include "foreign/foreign.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "session/error.h"
#include "session/options.h"
#include "exec/row.h"

/* How to make a column's value. */
typedef struct Column
{
	int field;        /* of the resource, or -1: NULL */
	const char *name; /* of the column */
	Oid type;         /* declared */
	FmgrInfo input;   /* the type's input function */
	Oid io_param;     /* for it */
	int32 typmod;     /* for it */
} Column;

struct OmfRowReader
{
	const OmfResource *resource;
	const char *table;  /* name, for the error context */
	const char *server; /* the server's name, where a column shows it */
	int ncolumns;       /* dropped ones included */
	Column *columns;
};

/* What is being converted, for the error context. */
typedef struct Conversion
{
	const OmfRowReader *reader;
	const Column *column;      /* or NULL, between two */
	const unsigned char *uuid; /* of the cluster */
} Conversion;

List *
omf_row_fields(Relation relation, const OmfResource *resource)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	List *fields = NIL;

	for (int i = 0; i < descriptor->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor, i);
		const char *name;
		int field = -1;

		if (!attribute->attisdropped)
		{
			name = omf_options_field_name(RelationGetRelid(relation),
										  attribute->attnum,
										  NameStr(attribute->attname));
			field = omf_api_field(resource, name);
			if (field < 0)
			{
				int nnames = resource->nfields + OMF_NEXTRA_FIELDS;
				const char **names = palloc(sizeof(char *) * nnames);

				for (int j = 0; j < nnames; j++)
					names[j] = omf_api_field_name(resource, j);
				ereport(ERROR,
						(errcode(ERRCODE_FDW_COLUMN_NAME_NOT_FOUND),
						 errmsg("foreign table has a column that its resource does not have"),
						 errdetail("Column \"%s\" of foreign table \"%s\" asks for the field \"%s\" of the resource \"%s\".",
								   NameStr(attribute->attname),
								   RelationGetRelationName(relation),
								   name, resource->name),
						 errhint("%s", omf_name_hint("Name it with the column option \"column_name\"; the fields are",
													 name, names, nnames))));
			}
		}
		fields = lappend_int(fields, field);
	}
	return fields;
}

bool
omf_row_reports_errors(Oid relid, const OmfResource *resource,
					   const List *fields)
{
	int error = resource->nfields + OMF_EXTRA_ERROR;

	return omf_options_reports_errors(relid, list_member_int(fields, error));
}

static const char *
server_name(Relation relation)
{
	Oid serverid = GetForeignTable(RelationGetRelid(relation))->serverid;

	return GetForeignServer(serverid)->servername;
}

OmfRowReader *
omf_row_init(Relation relation, const OmfResource *resource, List *fields)
{
	TupleDesc descriptor = RelationGetDescr(relation);
	OmfRowReader *reader = palloc(sizeof(OmfRowReader));
	ListCell *cell;

	reader->resource = resource;
	reader->table = RelationGetRelationName(relation);
	reader->server = NULL;
	reader->ncolumns = 0;
	reader->columns = palloc0(sizeof(Column) * descriptor->natts);
	foreach (cell, fields)
	{
		Form_pg_attribute attribute = TupleDescAttr(descriptor,
													reader->ncolumns);
		Column *column = &reader->columns[reader->ncolumns++];
		Oid input;

		column->field = lfirst_int(cell);
		if (column->field < 0)
			continue;
		column->name = NameStr(attribute->attname);
		column->type = attribute->atttypid;
		column->typmod = attribute->atttypmod;
		getTypeInputInfo(column->type, &input, &column->io_param);
		fmgr_info(input, &column->input);
		if (column->field == resource->nfields + OMF_EXTRA_SERVER)
			reader->server = server_name(relation);
	}
	return reader;
}

static char *
uuid_text(const unsigned char *uuid)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   PointerGetDatum(uuid)));
}

static void
conversion_context(void *arg)
{
	Conversion *conversion = arg;

	if (geterrcode() == ERRCODE_UNTRANSLATABLE_CHARACTER)
		errhint("This database has the encoding %s. Leave out the column, or the cluster by a clause on its key, or ask in a database with the encoding UTF8.",
				GetDatabaseEncodingName());
	if (conversion->column != NULL)
	{
		char *cluster = uuid_text(conversion->uuid);

		errcontext("column \"%s\" of foreign table \"%s\", database cluster %s",
				   conversion->column->name, conversion->reader->table,
				   cluster);

		/* a notice leaves all else in ErrorContext */
		pfree(cluster);
	}
}

/* The number that so many digits are, or -1 where they are not all digits. */
static int
digits(const char *text, int ndigits)
{
	int number = 0;

	for (int i = 0; i < ndigits; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return -1;
		number = number * 10 + (text[i] - '0');
	}
	return number;
}

/*
 * A time as the API writes it, "2026-11-26T03:46:00Z", without the 3,000
 * instructions that timestamptz_in() takes; false for whatever is not of that
 * form, which is left to it.
 */
static bool
plain_time(const char *text, TimestampTz *time)
{
	int year, month, day, hour, minute, second;
	int64 days;

	if (strlen(text) != strlen("2026-11-26T03:46:00Z") || text[4] != '-' ||
		text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
		text[16] != ':' || text[19] != 'Z')
		return false;
	year = digits(text, 4);
	month = digits(text + 5, 2);
	day = digits(text + 8, 2);
	hour = digits(text + 11, 2);
	minute = digits(text + 14, 2);
	second = digits(text + 17, 2);
	if (year < 1000 || month < 1 || month > MONTHS_PER_YEAR || day < 1 ||
		day > day_tab[isleap(year)][month - 1] || hour < 0 ||
		hour >= HOURS_PER_DAY || minute < 0 || minute >= MINS_PER_HOUR ||
		second < 0 || second >= SECS_PER_MINUTE)
		return false;
	days = date2j(year, month, day) - POSTGRES_EPOCH_JDATE;
	*time = days * USECS_PER_DAY + hour * USECS_PER_HOUR +
			minute * USECS_PER_MINUTE + second * USECS_PER_SEC;
	return true;
}

/* A column's value from its text; NULL gives NULL, checked by a domain. */
static Datum
value_from_text(Column *column, char *text)
{
	TimestampTz time;

	if (text != NULL && column->type == TEXTOID)
		return CStringGetTextDatum(text);
	if (text != NULL && column->type == TIMESTAMPTZOID &&
		plain_time(text, &time))
		return TimestampTzGetDatum(time);
	return InputFunctionCall(&column->input, text, column->io_param,
							 column->typmod);
}

/* A text column shows the UUID's canonical form, however it was asked for. */
static Datum
key_value(Column *column, const unsigned char *uuid)
{
	if (column->type == UUIDOID)
	{
		pg_uuid_t *value = palloc(sizeof(pg_uuid_t));

		memcpy(value->data, uuid, OMF_UUID_SIZE);
		return UUIDPGetDatum(value);
	}
	return value_from_text(column, uuid_text(uuid));
}

static char *
time_text(TimestampTz time)
{
	if (time == 0)
		return NULL;
	return DatumGetCString(DirectFunctionCall1(timestamptz_out,
											   TimestampTzGetDatum(time)));
}

/* What the API sends is UTF-8; NULL where it has sent nothing. */
static char *
field_text(const OmfRowReader *reader, const OmfAnswer *answer, int field)
{
	const char *value;

	if (field == reader->resource->nfields + OMF_EXTRA_SERVER)
		return pstrdup(reader->server);
	if (field == reader->resource->nfields + OMF_EXTRA_ERROR)
		return answer->error != NULL ? omf_error_text(answer->error) : NULL;
	if (field == reader->resource->nfields + OMF_EXTRA_FETCHED_AT)
		return time_text(answer->fetched_at);
	value = answer->record != NULL ? answer->record->values[field] : NULL;
	return value != NULL
			   ? pg_any_to_server(value, (int) strlen(value), PG_UTF8)
			   : NULL;
}

void
omf_row_store(OmfRowReader *reader, const OmfAnswer *answer,
			  TupleTableSlot *slot)
{
	Conversion conversion = {reader, NULL, answer->uuid};
	ErrorContextCallback callback;

	callback.callback = conversion_context;
	callback.arg = &conversion;
	callback.previous = error_context_stack;
	error_context_stack = &callback;

	ExecClearTuple(slot);
	for (int i = 0; i < reader->ncolumns; i++)
	{
		Column *column = &reader->columns[i];

		slot->tts_values[i] = (Datum) 0;
		slot->tts_isnull[i] = true;
		if (column->field < 0)
			continue;
		conversion.column = column;
		if (column->field == reader->resource->key)
		{
			slot->tts_values[i] = key_value(column, answer->uuid);
			slot->tts_isnull[i] = false;
		}
		else
		{
			char *text = field_text(reader, answer, column->field);

			slot->tts_values[i] = value_from_text(column, text);
			slot->tts_isnull[i] = (text == NULL);
		}
	}
	ExecStoreVirtualTuple(slot);
	error_context_stack = callback.previous;
}
