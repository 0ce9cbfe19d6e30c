/*-------------------------------------------------------------------------
 *
 * harmless.c
 *	  Expressions that can be evaluated before their time.
 *
 * PostgreSQL marks functions as leakproof that do not fail, whatever their
 * arguments.  A few more do not.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/clauses.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

#include "exec/harmless.h"
#include "exec/tuple_bound.h"

/* ----- expressions ----- */

/* Is it a text that is compared with a constant, pattern or not? */
static bool
is_text_match(Node *node)
{
	if (!IsA(node, OpExpr) || list_length(((OpExpr *) node)->args) != 2 ||
		!IsA(lsecond(((OpExpr *) node)->args), Const))
		return false;
	switch (get_opcode(((OpExpr *) node)->opno))
	{
		case F_TEXTLIKE:
		case F_TEXTNLIKE:
		case F_TEXTICLIKE:
		case F_TEXTICNLIKE:
		case F_TEXTREGEXEQ:
		case F_TEXTREGEXNE:
		case F_TEXTICREGEXEQ:
		case F_TEXTICREGEXNE:
		case F_STARTS_WITH:
		case F_TEXT_LT:
		case F_TEXT_LE:
		case F_TEXT_GT:
		case F_TEXT_GE:
			return true;
		default:
			return false;
	}
}

/* Functions that take any values of their types. */
static bool
takes_anything(Oid function)
{
	switch (function)
	{
		case F_SATISFIES_HASH_PARTITION:
		case F_LOWER_TEXT:
		case F_UPPER_TEXT:
		case F_BTRIM_TEXT:
		case F_LENGTH_TEXT:
		case F_CHAR_LENGTH_TEXT:
			return true;
		default:
			return false;
	}
}

/*
 * Leave out what never fails, though it is not marked leakproof: a uuid's text,
 * PostgreSQL's choice of a partition, and what has been evaluated by then.  Nor
 * does a text's comparison with a constant, unless it does so for any text.
 */
static Node *
without_harmless(Node *node, void *context)
{
	if (node == NULL)
		return NULL;
	if (IsA(node, CoerceViaIO) &&
		exprType((Node *) ((CoerceViaIO *) node)->arg) == UUIDOID)
		return without_harmless((Node *) ((CoerceViaIO *) node)->arg, context);
	if (is_text_match(node))
		return without_harmless(linitial(((OpExpr *) node)->args), context);
	if (IsA(node, PlaceHolderVar))
		return without_harmless((Node *) ((PlaceHolderVar *) node)->phexpr,
								context);
	if (IsA(node, Aggref))
		return NULL;
	if (IsA(node, FuncExpr) && takes_anything(((FuncExpr *) node)->funcid))
		return without_harmless((Node *) ((FuncExpr *) node)->args, context);
	return expression_tree_mutator(node, without_harmless, context);
}

/* A function that is leakproof does not fail, whatever its arguments. */
bool
omf_is_harmless(List *expressions)
{
	return !contain_subplans((Node *) expressions) &&
		   !contain_leaked_vars(without_harmless((Node *) expressions, NULL));
}

/* ----- plans ----- */

static bool
are_harmless(List *targets)
{
	List *expressions = NIL;
	ListCell *cell;

	foreach (cell, targets)
		expressions = lappend(expressions,
							  lfirst_node(TargetEntry, cell)->expr);
	return omf_is_harmless(expressions);
}

/* What the node looks at besides its qual. */
static List *
own_clauses(Plan *plan)
{
	switch (nodeTag(plan))
	{
		case T_NestLoop:
			return ((Join *) plan)->joinqual;
		case T_HashJoin:
			return list_concat_copy(((Join *) plan)->joinqual,
									((HashJoin *) plan)->hashclauses);
		case T_MergeJoin:
			return list_concat_copy(((Join *) plan)->joinqual,
									((MergeJoin *) plan)->mergeclauses);
		case T_Result:
			return (List *) ((Result *) plan)->resconstantqual;
		default:
			return NIL;
	}
}

static bool
can_fail(PlanState *state, void *context)
{
	Plan *plan = state->plan;
	PlanState *input = outerPlanState(state);

	if (!omf_is_harmless(plan->qual) || !are_harmless(plan->targetlist) ||
		!omf_is_harmless(own_clauses(plan)))
		return true;
	return !(input != NULL && omf_exhausts(state, input)) &&
		   planstate_tree_walker(state, can_fail, context);
}

bool
omf_reads_harmlessly(PlanState *state)
{
	return !can_fail(state, NULL);
}
