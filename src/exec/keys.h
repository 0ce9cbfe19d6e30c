/*-------------------------------------------------------------------------
 *
 * keys.h
 *	  From the clauses of a query to the clusters that it asks for.
 *
 * The planner and the executor look at the same clause with the same code:
 * a plan holds whole clauses, and no second description of them.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_KEYS_H
#define OMF_KEYS_H

#include "nodes/execnodes.h"
#include "nodes/pathnodes.h"

#include "exec/fetch.h"

/* The column that holds the cluster's UUID. */
typedef struct OmfKeyColumn
{
	Index varno;      /* of its table in the query */
	AttrNumber attno; /* in the table; 0: the table has none */
	Oid type;         /* uuid, text or varchar; of a domain its base type */
} OmfKeyColumn;

/* Is that a type that the key column may have (after getBaseType)? */
extern bool omf_is_key_type(Oid base_type);

/*
 * Does the clause say which clusters alone can pass it?  That is: the key
 * equals an expression, or any element of an array, or is in an OR of such;
 * and the expressions neither are volatile nor look at the same table.
 */
extern bool omf_is_key_clause(PlannerInfo *root, Node *clause,
							  const OmfKeyColumn *column);

/*
 * Does such a clause say no more than that, so that every row of its keys
 * passes it?  Not with an AND below its OR.
 */
extern bool omf_is_exact_key_clause(Node *clause, const OmfKeyColumn *column);

/* How many keys such a clause is going to give. */
extern double omf_estimate_keys(PlannerInfo *root, Node *clause,
								const OmfKeyColumn *column);

/* Has the expression a parameter of that kind? */
extern bool omf_has_param(Node *node, ParamKind kind);

/* Is there an array of any length among them: a parameter of the statement? */
extern bool omf_has_unknown_array(Node *clause, const OmfKeyColumn *column);

/* Is the expression the key column, or its text, as a join clause has it? */
extern bool omf_is_key_expression(Node *node, const OmfKeyColumn *column);

typedef struct OmfKeySource OmfKeySource;

/* Make the clauses of a plan ready for evaluation in that plan state. */
extern OmfKeySource *omf_keys_init(PlanState *state, List *clauses,
								   const OmfKeyColumn *column);

/*
 * The same in two steps, for a node that evaluates the values elsewhere than
 * in a scan of the table: what the key is compared with in all the clauses,
 * and an integer list that goes with it.
 */
extern void omf_keys_split(List *clauses, const OmfKeyColumn *column,
						   List **values, List **shape);

/*
 * Of values that are a text cast to uuid, take the text: evaluated before its
 * time, it must not fail.  What is no UUID then is no key.  And back again, as
 * the query has them.
 */
extern void omf_keys_strip_casts(List *values, List *shape);
extern List *omf_keys_with_casts(List *values, List *shape);

/* Does that shape say that the key equals the one value there is? */
extern bool omf_keys_is_equality(const List *shape);

extern OmfKeySource *omf_keys_init_split(PlanState *state, List *values,
										 List *shape, Oid key_type);

/*
 * Evaluate them: the distinct keys that pass all clauses, in the order in
 * which the first clause has them, allocated in the current context.  Of texts
 * only the UUID's canonical form is a key: no cluster has another one.
 */
extern int omf_keys_evaluate(OmfKeySource *source, ExprContext *econtext,
							 OmfKey **keys);

#endif /* OMF_KEYS_H */
