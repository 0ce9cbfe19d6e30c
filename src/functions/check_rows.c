/*-------------------------------------------------------------------------
 *
 * check_rows.c
 *	  The rows of databases_check_online_migration().
 *
 *-------------------------------------------------------------------------
 */
#include "functions/check_rows.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "utils/builtins.h"
#include "utils/tuplestore.h"

/* Columns of the result, in its order. */
enum
{
	COLUMN_CHECK,
	COLUMN_RESULT,
	COLUMN_DETAIL,
	COLUMN_HINT,
	NCOLUMNS
};

void
omf_checks_put(OmfChecks *checks, const char *check, const char *result,
			   const char *detail, const char *hint, const char *document)
{
	size_t length = strlen(detail);
	bool ends = length == 0 || strchr(".?!:", detail[length - 1]) != NULL;
	Datum values[NCOLUMNS];
	bool nulls[NCOLUMNS] = {false};

	values[COLUMN_CHECK] = CStringGetTextDatum(check);
	values[COLUMN_RESULT] = CStringGetTextDatum(result);
	/* a library's words may lack the full stop */
	values[COLUMN_DETAIL] =
		CStringGetTextDatum(ends ? detail : psprintf("%s.", detail));
	values[COLUMN_HINT] = CStringGetTextDatum(
		hint != NULL ? psprintf("%s See %s", hint, document)
					 : psprintf("See %s", document));
	tuplestore_putvalues(checks->result->setResult, checks->result->setDesc,
						 values, nulls);
}

/* Is the address one that only its own network can reach? */
static bool
is_private(const char *address)
{
	struct in_addr v4;
	struct in6_addr v6;
	uint32 number;

	if (inet_pton(AF_INET6, address, &v6) == 1)
		return IN6_IS_ADDR_LOOPBACK(&v6) || IN6_IS_ADDR_LINKLOCAL(&v6) ||
			   (v6.s6_addr[0] & 0xFE) == 0xFC;
	if (inet_pton(AF_INET, address, &v4) != 1)
		return false;
	number = ntohl(v4.s_addr);
	return number >> 24 == 10 || number >> 24 == 127 ||
		   number >> 20 == 0xAC1 || number >> 16 == 0xC0A8 ||
		   number >> 16 == 0xA9FE || number >> 22 == 0x191;
}

void
omf_checks_put_reach(OmfChecks *checks, const char *whom, const char *problem,
					 const char *address, const char *hint,
					 const char *document)
{
	bool nearby = problem == NULL && address != NULL && is_private(address);

	omf_checks_put(checks, "source reachable",
				   problem != NULL ? OMF_CHECK_FAILED
				   : nearby        ? OMF_CHECK_WARNING
								   : OMF_CHECK_OK,
				   problem != NULL ? psprintf("%s: %s", whom, problem)
								   : psprintf("%s, answers to this server%s.", whom,
											  nearby ? psprintf(", at the private address %s", address) : ""),
				   hint, document);
}
