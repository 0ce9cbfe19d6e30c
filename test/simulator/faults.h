/*-------------------------------------------------------------------------
 *
 * faults.h
 *	  Answers that go wrong: which requests meet a fault, and what it does.
 *
 *-------------------------------------------------------------------------
 */
#ifndef SIMULATOR_FAULTS_H
#define SIMULATOR_FAULTS_H

#include "api.h"

/* What a fault starts from. */
typedef enum Base
{
	BASE_NONE,	/* status 200 and no body: the fault makes its own */
	BASE_ANSWER, /* the API's answer, whatever it is */
	BASE_BODY	/* the API's answer if that has a body, else a sample */
} Base;

/* A fault about to happen. */
typedef struct FaultCall
{
	Exchange *exchange;		 /* whose reply it spoils */
	const Route *route;		 /* what was asked for */
	const Token *token;		 /* by whom, or NULL */
	json_object *parameters; /* of the fault, or NULL */
} FaultCall;

typedef struct FaultKind
{
	const char *name;
	Base base;
	void (*apply)(const FaultCall *call);
	const char *does; /* for people; tells the parameters */
} FaultKind;

/* Numbered from 1 by their place; see fault_table.c. */
extern const FaultKind fault_kinds[];
extern const int fault_kinds_count;

/* fault_bodies.c: those that are about what the body says */
extern void fault_custom(const FaultCall *call);
extern void fault_deep_json(const FaultCall *call);
extern void fault_duplicate_keys(const FaultCall *call);
extern void fault_echo_secrets(const FaultCall *call);
extern void fault_empty(const FaultCall *call);
extern void fault_gzip(const FaultCall *call);
extern void fault_html(const FaultCall *call);
extern void fault_invalid_utf8(const FaultCall *call);
extern void fault_json_array(const FaultCall *call);
extern void fault_json_scalar(const FaultCall *call);
extern void fault_list_next(const FaultCall *call);
extern void fault_list_repeat(const FaultCall *call);
extern void fault_missing_fields(const FaultCall *call);
extern void fault_no_content(const FaultCall *call);
extern void fault_not_json(const FaultCall *call);
extern void fault_nul_escape(const FaultCall *call);
extern void fault_null_fields(const FaultCall *call);
extern void fault_number(const FaultCall *call);
extern void fault_oversized_body(const FaultCall *call);
extern void fault_redirect(const FaultCall *call);
extern void fault_status(const FaultCall *call);
extern void fault_trailing_garbage(const FaultCall *call);
extern void fault_unknown_status(const FaultCall *call);
extern void fault_wrong_type(const FaultCall *call);

extern json_object *faults_table(void);
extern const char *faults_add(json_object *parameters);
extern void faults_clear(void);
extern json_object *faults_json(void);
extern bool faults_answer(Exchange *exchange, const Route *route, Token *token);

#endif /* SIMULATOR_FAULTS_H */
