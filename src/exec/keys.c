/*-------------------------------------------------------------------------
 *
 * keys.c
 *	  From the clauses of a query to the clusters that it asks for.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/selfuncs.h"
#include "utils/uuid.h"

#include "compat.h"
#include "exec/keys.h"

/*
 * uuid = uuid, which has no name in pg_operator.h.  The type cache would read
 * it from the catalogs in every new backend, in 500,000 instructions.
 */
#define UUID_EQUAL_OPERATOR 2972

/* What one comparison with the key column is made of. */
typedef struct Comparison
{
	Expr *value;   /* what the key is compared with */
	bool is_array; /* with any element of it */
	bool as_text;  /* the column is uuid, and is compared as its text */
} Comparison;

/* A comparison, ready for evaluation. */
typedef struct Term
{
	ExprState *value;
	bool is_array;
	bool as_text;
	bool is_cast; /* the value is the text of a uuid */
} Term;

/* A clause, ready for evaluation: what passes any of its terms passes it. */
typedef struct Clause
{
	Term *terms;
	int nterms;
} Clause;

struct OmfKeySource
{
	Clause *clauses; /* a key passes all of them */
	int nclauses;
	bool is_text; /* the column is text or varchar */
};

/* A growing array of keys. */
typedef struct KeyVector
{
	OmfKey *keys;
	int nkeys;
	int room;
} KeyVector;

typedef struct KeyEntry
{
	OmfKey key;
	char status; /* simplehash's own */
} KeyEntry;

static inline bool
same_key(const OmfKey *a, const OmfKey *b)
{
	return memcmp(a->uuid, b->uuid, OMF_UUID_SIZE) == 0;
}

#define SH_PREFIX keyset
#define SH_ELEMENT_TYPE KeyEntry
#define SH_KEY_TYPE OmfKey
#define SH_KEY key
#define SH_HASH_KEY(t, k) omf_uuid_hash((k).uuid)
#define SH_EQUAL(t, a, b) same_key(&(a), &(b))
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* ----- what a clause says ----- */

bool
omf_is_key_type(Oid base_type)
{
	return base_type == UUIDOID || base_type == TEXTOID ||
		   base_type == VARCHAROID;
}

static Node *
strip_relabel(Node *node)
{
	while (node != NULL && IsA(node, RelabelType))
		node = (Node *) ((RelabelType *) node)->arg;
	return node;
}

static bool
is_key_var(Node *node, const OmfKeyColumn *column)
{
	Var *var = (Var *) strip_relabel(node);

	return var != NULL && IsA(var, Var) && var->varno == (int) column->varno &&
		   var->varattno == column->attno && var->varlevelsup == 0;
}

/* Look through a cast to varchar(n) that a UUID's text fits into. */
static Node *
strip_length(Node *node)
{
	FuncExpr *cast = (FuncExpr *) node;
	Const *typmod;

	if (node == NULL || !IsA(node, FuncExpr) ||
		cast->funcid != F_VARCHAR_VARCHAR_INT4_BOOL)
		return node;
	typmod = lsecond(cast->args);
	if (!IsA(typmod, Const) || typmod->constisnull ||
		DatumGetInt32(typmod->constvalue) - VARHDRSZ < OMF_UUID_TEXT)
		return node;
	return strip_relabel(linitial(cast->args));
}

/*
 * Is the node the key column, or a uuid column's text form, such as tools
 * write that know of no type uuid?
 */
static bool
is_key_side(Node *node, const OmfKeyColumn *column, bool *as_text)
{
	Node *bare = strip_length(strip_relabel(node));

	*as_text = false;
	if (is_key_var(bare, column))
		return true;
	if (column->type == UUIDOID && bare != NULL && IsA(bare, CoerceViaIO))
	{
		CoerceViaIO *coercion = (CoerceViaIO *) bare;

		*as_text = true;
		return (coercion->resulttype == TEXTOID ||
				coercion->resulttype == VARCHAROID) &&
			   is_key_var((Node *) coercion->arg, column);
	}
	return false;
}

bool
omf_is_key_expression(Node *node, const OmfKeyColumn *column)
{
	bool as_text;

	return column->attno != 0 && is_key_side(node, column, &as_text);
}

/*
 * Does the operator say that both sides are the same UUID, or the same text?
 */
static bool
is_equality(Oid opno, Oid collation, const OmfKeyColumn *column, bool as_text)
{
	if (column->type == UUIDOID && !as_text)
		return opno == UUID_EQUAL_OPERATOR;

	/* by such a collation other texts than the UUID's own may equal it */
	if (OidIsValid(collation) && !get_collation_isdeterministic(collation))
		return false;
	return opno == TextEqualOperator;
}

/* Take apart a comparison with the key; false when it is none. */
static bool
split_comparison(Node *node, const OmfKeyColumn *column,
				 Comparison *comparison)
{
	List *args;
	Oid opno;
	Oid collation;

	comparison->is_array = false;
	if (IsA(node, OpExpr))
	{
		opno = ((OpExpr *) node)->opno;
		collation = ((OpExpr *) node)->inputcollid;
		args = ((OpExpr *) node)->args;
	}
	else if (IsA(node, ScalarArrayOpExpr) &&
			 ((ScalarArrayOpExpr *) node)->useOr)
	{
		opno = ((ScalarArrayOpExpr *) node)->opno;
		collation = ((ScalarArrayOpExpr *) node)->inputcollid;
		args = ((ScalarArrayOpExpr *) node)->args;
		comparison->is_array = true;
	}
	else
		return false;
	if (list_length(args) != 2)
		return false;

	comparison->value = lsecond(args);
	if (is_key_side(linitial(args), column, &comparison->as_text))
		return is_equality(opno, collation, column, comparison->as_text);
	comparison->value = linitial(args);
	return !comparison->is_array &&
		   is_key_side(lsecond(args), column, &comparison->as_text) &&
		   is_equality(opno, collation, column, comparison->as_text);
}

/*
 * Append the comparisons of a clause to the list: a key that passes the
 * clause equals one of them.  False when the clause does not say that.
 */
static bool
collect_comparisons(Node *node, const OmfKeyColumn *column, List **comparisons)
{
	Comparison *comparison = palloc(sizeof(Comparison));
	ListCell *cell;

	if (is_orclause(node))
	{
		foreach (cell, ((BoolExpr *) node)->args)
			if (!collect_comparisons(lfirst(cell), column, comparisons))
				return false;
		return true;
	}
	if (is_andclause(node))
	{
		int before = list_length(*comparisons);

		/* one of its parts is enough, the others are looked at locally */
		foreach (cell, ((BoolExpr *) node)->args)
		{
			if (collect_comparisons(lfirst(cell), column, comparisons))
				return true;
			*comparisons = list_truncate(*comparisons, before);
		}
		return false;
	}
	if (!split_comparison(node, column, comparison))
		return false;
	*comparisons = lappend(*comparisons, comparison);
	return true;
}

/* Can the value be had before there is a row, and will it stay the same? */
static bool
is_plannable_value(PlannerInfo *root, Expr *value, const OmfKeyColumn *column)
{
	return !bms_is_member((int) column->varno,
						  pull_varnos(root, (Node *) value)) &&
		   !contain_volatile_functions((Node *) value) &&
		   !contain_subplans((Node *) value);
}

bool
omf_is_key_clause(PlannerInfo *root, Node *clause, const OmfKeyColumn *column)
{
	List *comparisons = NIL;
	ListCell *cell;

	if (column->attno == 0 ||
		!collect_comparisons(clause, column, &comparisons))
		return false;
	foreach (cell, comparisons)
		if (!is_plannable_value(root, ((Comparison *) lfirst(cell))->value,
								column))
			return false;
	return true;
}

bool
omf_is_exact_key_clause(Node *clause, const OmfKeyColumn *column)
{
	Comparison comparison;
	ListCell *cell;

	if (!is_orclause(clause))
		return split_comparison(clause, column, &comparison);
	foreach (cell, ((BoolExpr *) clause)->args)
		if (!omf_is_exact_key_clause(lfirst(cell), column))
			return false;
	return true;
}

double
omf_estimate_keys(PlannerInfo *root, Node *clause, const OmfKeyColumn *column)
{
	List *comparisons = NIL;
	double nkeys = 0;
	ListCell *cell;

	(void) root;
	(void) collect_comparisons(clause, column, &comparisons);
	foreach (cell, comparisons)
	{
		Comparison *comparison = lfirst(cell);

		nkeys += comparison->is_array
					 ? omf_estimate_array_length(root,
												 (Node *) comparison->value)
					 : 1;
	}
	return nkeys;
}

static bool
is_param(Node *node, void *kind)
{
	if (node == NULL)
		return false;
	if (IsA(node, Param))
		return ((Param *) node)->paramkind == *(const ParamKind *) kind;
	return expression_tree_walker(node, is_param, kind);
}

bool
omf_has_param(Node *node, ParamKind kind)
{
	return is_param(node, &kind);
}

bool
omf_has_unknown_array(Node *clause, const OmfKeyColumn *column)
{
	List *comparisons = NIL;
	ListCell *cell;

	(void) collect_comparisons(clause, column, &comparisons);
	foreach (cell, comparisons)
	{
		Comparison *comparison = lfirst(cell);

		if (comparison->is_array && !IsA(comparison->value, ArrayExpr) &&
			omf_has_param((Node *) comparison->value, PARAM_EXTERN))
			return true;
	}
	return false;
}

/* ----- evaluation ----- */

/* What the integers of a shape list say: the clause, and these. */
#define SHAPE_ARRAY 1
#define SHAPE_TEXT 2
#define SHAPE_CAST 4
#define SHAPE_CLAUSE 8 /* times the number of the clause */

void
omf_keys_split(List *clauses, const OmfKeyColumn *column, List **values,
			   List **shape)
{
	int number = 0;
	ListCell *clause_cell;

	*values = NIL;
	*shape = NIL;
	foreach (clause_cell, clauses)
	{
		List *comparisons = NIL;
		ListCell *cell;

		if (!collect_comparisons(lfirst(clause_cell), column, &comparisons))
			elog(ERROR, "not a key clause: node type %d", (int) nodeTag(lfirst(clause_cell)));
		foreach (cell, comparisons)
		{
			Comparison *comparison = lfirst(cell);

			*values = lappend(*values, comparison->value);
			*shape = lappend_int(*shape,
								 number * SHAPE_CLAUSE +
									 (comparison->is_array ? SHAPE_ARRAY : 0) +
									 (comparison->as_text ? SHAPE_TEXT : 0));
		}
		number++;
	}
}

bool
omf_keys_is_equality(const List *shape)
{
	return list_length(shape) == 1 &&
		   (linitial_int(shape) & (SHAPE_ARRAY | SHAPE_TEXT)) == 0;
}

void
omf_keys_strip_casts(List *values, List *shape)
{
	ListCell *value;
	ListCell *number;

	forboth(value, values, number, shape)
	{
		CoerceViaIO *cast = lfirst(value);

		if (!IsA(cast, CoerceViaIO) || cast->resulttype != UUIDOID ||
			(exprType((Node *) cast->arg) != TEXTOID &&
			 exprType((Node *) cast->arg) != VARCHAROID) ||
			(lfirst_int(number) & (SHAPE_ARRAY | SHAPE_TEXT)) != 0)
			continue;
		lfirst(value) = cast->arg;
		lfirst_int(number) |= SHAPE_CAST;
	}
}

List *
omf_keys_with_casts(List *values, List *shape)
{
	List *result = NIL;
	ListCell *value;
	ListCell *number;

	forboth(value, values, number, shape)
	{
		Expr *expr = lfirst(value);

		if ((lfirst_int(number) & SHAPE_CAST) != 0)
		{
			CoerceViaIO *cast = makeNode(CoerceViaIO);

			cast->arg = expr;
			cast->resulttype = UUIDOID;
			cast->coerceformat = COERCE_EXPLICIT_CAST;
			cast->location = -1;
			expr = (Expr *) cast;
		}
		result = lappend(result, expr);
	}
	return result;
}

OmfKeySource *
omf_keys_init_split(PlanState *state, List *values, List *shape, Oid key_type)
{
	OmfKeySource *source = palloc0(sizeof(OmfKeySource));
	ListCell *value_cell;
	ListCell *shape_cell;

	source->is_text = key_type != UUIDOID;
	source->clauses = palloc0(sizeof(Clause) * list_length(values));
	forboth(value_cell, values, shape_cell, shape)
	{
		Clause *clause =
			&source->clauses[lfirst_int(shape_cell) / SHAPE_CLAUSE];
		Term *term;

		source->nclauses = lfirst_int(shape_cell) / SHAPE_CLAUSE + 1;
		if (clause->terms == NULL)
			clause->terms = palloc0(sizeof(Term) * list_length(values));
		term = &clause->terms[clause->nterms++];
		term->value = ExecInitExpr(lfirst(value_cell), state);
		term->is_array = (lfirst_int(shape_cell) & SHAPE_ARRAY) != 0;
		term->as_text = (lfirst_int(shape_cell) & SHAPE_TEXT) != 0;
		term->is_cast = (lfirst_int(shape_cell) & SHAPE_CAST) != 0;
	}
	return source;
}

OmfKeySource *
omf_keys_init(PlanState *state, List *clauses, const OmfKeyColumn *column)
{
	List *values;
	List *shape;

	omf_keys_split(clauses, column, &values, &shape);
	return omf_keys_init_split(state, values, shape, column->type);
}

/* Is that what uuid_out() could have written? */
static bool
is_canonical_uuid(const char *text)
{
	if (strlen(text) != OMF_UUID_TEXT)
		return false;
	for (int i = 0; i < OMF_UUID_TEXT; i++)
	{
		if (i == 8 || i == 13 || i == 18 || i == 23)
		{
			if (text[i] != '-')
				return false;
		}
		else if (strchr("0123456789abcdef", text[i]) == NULL)
			return false;
	}
	return true;
}

/*
 * The canonical form of what uuid_in() takes for a UUID, or NULL.  That one may
 * be in capitals and in braces, and have a hyphen after any four digits.
 */
static const char *
canonical_uuid(const char *text, char canonical[OMF_UUID_TEXT + 1])
{
	bool in_braces = text[0] == '{';
	char *next = canonical;

	if (in_braces)
		text++;
	for (int i = 0; i < 2 * OMF_UUID_SIZE; i++)
	{
		if (!isxdigit((unsigned char) *text))
			return NULL;
		*next++ = (char) tolower((unsigned char) *text++);
		if (i == 7 || i == 11 || i == 15 || i == 19)
			*next++ = '-';
		if (i % 4 == 3 && i < 2 * OMF_UUID_SIZE - 1 && *text == '-')
			text++;
	}
	*next = '\0';
	if (in_braces && *text++ != '}')
		return NULL;
	return *text == '\0' ? canonical : NULL;
}

static OmfKey *
add_key(KeyVector *vector)
{
	if (vector->nkeys == vector->room)
	{
		vector->room = vector->room == 0 ? 1 : vector->room * 2;
		vector->keys = vector->keys == NULL
						   ? palloc(sizeof(OmfKey) * vector->room)
						   : repalloc_huge(vector->keys,
										   sizeof(OmfKey) * vector->room);
	}
	return &vector->keys[vector->nkeys++];
}

static void
add_value(const OmfKeySource *source, const Term *term, Datum value,
		  KeyVector *vector)
{
	char canonical[OMF_UUID_TEXT + 1];
	const char *written;

	if (!source->is_text && !term->as_text && !term->is_cast)
	{
		memcpy(add_key(vector)->uuid, DatumGetUUIDP(value)->data,
			   OMF_UUID_SIZE);
		return;
	}

	/* the key has this one text: any other equals no cluster's */
	written = TextDatumGetCString(value);
	if (term->is_cast)
		written = canonical_uuid(written, canonical);
	if (written != NULL && is_canonical_uuid(written))
		(void) omf_api_parse_uuid(written, add_key(vector)->uuid);
}

static void
add_term(const OmfKeySource *source, const Term *term, ExprContext *econtext,
		 KeyVector *vector)
{
	bool isnull;
	Datum value = ExecEvalExprSwitchContext(term->value, econtext, &isnull);
	ArrayType *array;
	Oid element;
	int16 length;
	bool by_value;
	char alignment;
	Datum *values;
	bool *nulls;
	int nvalues;

	if (isnull)
		return;
	if (!term->is_array)
	{
		add_value(source, term, value, vector);
		return;
	}
	array = DatumGetArrayTypeP(value);
	element = ARR_ELEMTYPE(array);
	get_typlenbyvalalign(element, &length, &by_value, &alignment);
	deconstruct_array(array, element, length, by_value, alignment,
					  &values, &nulls, &nvalues);
	for (int i = 0; i < nvalues; i++)
		if (!nulls[i])
			add_value(source, term, values[i], vector);
	pfree(values);
	pfree(nulls);
}

/* Fold duplicates, and keep the order. */
static void
fold_duplicates(KeyVector *vector)
{
	keyset_hash *seen;
	int kept = 0;

	if (vector->nkeys < 2)
		return;
	seen = keyset_create(CurrentMemoryContext, vector->nkeys, NULL);
	for (int i = 0; i < vector->nkeys; i++)
	{
		bool found;

		keyset_insert(seen, vector->keys[i], &found);
		if (!found)
			vector->keys[kept++] = vector->keys[i];
	}
	vector->nkeys = kept;
	keyset_destroy(seen);
}

/* Keep the keys that are in the other vector, too. */
static void
intersect(KeyVector *vector, const KeyVector *other)
{
	keyset_hash *wanted =
		keyset_create(CurrentMemoryContext, other->nkeys, NULL);
	int kept = 0;

	for (int i = 0; i < other->nkeys; i++)
	{
		bool found;

		keyset_insert(wanted, other->keys[i], &found);
	}
	for (int i = 0; i < vector->nkeys; i++)
		if (keyset_lookup(wanted, vector->keys[i]) != NULL)
			vector->keys[kept++] = vector->keys[i];
	vector->nkeys = kept;
	keyset_destroy(wanted);
}

int
omf_keys_evaluate(OmfKeySource *source, ExprContext *econtext, OmfKey **keys)
{
	KeyVector result = {NULL, 0, 0};

	for (int i = 0; i < source->nclauses; i++)
	{
		KeyVector vector = {NULL, 0, 0};

		for (int j = 0; j < source->clauses[i].nterms; j++)
			add_term(source, &source->clauses[i].terms[j], econtext, &vector);
		if (i == 0)
		{
			fold_duplicates(&vector);
			result = vector;
		}
		else
			intersect(&result, &vector);
	}
	*keys = result.keys;
	return result.nkeys;
}
