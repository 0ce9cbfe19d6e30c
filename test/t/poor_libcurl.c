/*-------------------------------------------------------------------------
 *
 * poor_libcurl.c
 *	  A libcurl that says that it was built with less, for LD_PRELOAD into a
 *	  server: without the features whose bits OMF_LACKS has.
 *
 *-------------------------------------------------------------------------
 */
#include <dlfcn.h>
#include <stdlib.h>

#include <curl/curl.h>

curl_version_info_data *
curl_version_info(CURLversion age)
{
	static curl_version_info_data poor;
	curl_version_info_data *(*real)(CURLversion) =
		(curl_version_info_data * (*)(CURLversion)) dlsym(RTLD_NEXT, "curl_version_info");
	const char *lacks = getenv("OMF_LACKS");

	poor = *real(age);
	if (lacks != NULL)
		poor.features &= ~atoi(lacks);
	return &poor;
}
