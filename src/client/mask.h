/*-------------------------------------------------------------------------
 *
 * mask.h
 *	  Secrets that others' words repeat.
 *
 * The API, a proxy or a source may say what it was sent, as it had it or as it
 * is written where it was quoted.
 *
 *-------------------------------------------------------------------------
 */
#ifndef OMF_MASK_H
#define OMF_MASK_H

/* Texts that no message may show; NULL entries are skipped. */
typedef struct OmfSecrets
{
	const char *const *texts;
	int ntexts;
} OmfSecrets;

/*
 * Replace each secret in a text by up to three asterisks, all at once, so that
 * none hides a part of another one.  It is found by itself, and however many
 * of its characters are written otherwise: as in a URL (%XX, + for a blank),
 * in JSON (\" and \uXXXX), in SQL or a connection string (quotes doubled, or
 * any punctuation after a backslash), in HTML (&amp; and &#XX;), quoted by a
 * shell, and so once more, as in JSON in JSON.  One of four bytes or more is
 * also found as a whole in hexadecimal digits, all small or all capital, and
 * in base64 of either alphabet, wherever it begins there.  Out of memory,
 * nothing is left of the text; one of up to 255 bytes, such as an id, takes
 * none, nor does a secret of that size.
 */
extern void omf_mask(char *text, const OmfSecrets *secrets);

#endif /* OMF_MASK_H */
