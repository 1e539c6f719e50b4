#include "config/foreign.h"

/* Words of nginx, Envoy, HAProxy, Kong, Traefik and Spring Cloud Gateway, in lower case without "-" and "_". One may mean several of ours,
 * of which the one counts that is known where the word stands. */
static const struct {
    const char *word, *name;
} words[] = {
    { "alloworigin", "origins" },
    { "alloworigins", "origins" },
    { "allowedorigins", "origins" },
    { "alloworiginstringmatch", "origins" },
    { "allowmethods", "methods" },
    { "allowedmethods", "methods" },
    { "allowheaders", "headers" },
    { "allowedheaders", "headers" },
    { "allowcredentials", "credentials" },
    { "exposeheaders", "expose" },
    { "exposedheaders", "expose" },
    { "backend", "upstream" },
    { "backends", "upstreams" },
    { "cluster", "upstream" },
    { "clusters", "upstreams" },
    { "proxypass", "upstream" },
    { "service", "upstream" },
    { "services", "upstreams" },
    { "uri", "upstream" },
    { "to", "upstream" },
    { "hosts", "host" },
    { "servername", "host" },
    { "prefix", "path" },
    { "pathprefix", "path" },
    { "predicates", "match" },
    { "nodes", "endpoints" },
    { "servers", "endpoints" },
    { "url", "endpoints" },
    { "targets", "endpoints" },
    { "lbendpoints", "endpoints" },
    { "lbpolicy", "balance" },
    { "loadbalancer", "balance" },
    { "algorithm", "balance" },
    { "hashon", "hash_by" },
    { "leastconn", "least_requests" },
    { "leastconnections", "least_requests" },
    { "leastrequest", "least_requests" },
    { "leastload", "p2c" },
    { "random", "p2c" },
    { "ewma", "p2c" },
    { "peakewma", "p2c" },
    { "consistenthash", "hash" },
    { "consistenthashing", "hash" },
    { "iphash", "hash" },
    { "maglev", "hash" },
    { "ringhash", "hash" },
    { "http2", "h2" },
    { "circuitbreaker", "breaker" },
    { "circuitbreakers", "breaker" },
    { "failurerate", "failures" },
    { "failureratethreshold", "failures" },
    { "errorthreshold", "failures" },
    { "consecutiveerrors", "failures" },
    { "consecutive5xx", "failures" },
    { "maxfails", "failures" },
    { "minimumnumberofcalls", "minimum" },
    { "waitdurationinopenstate", "open" },
    { "halfopenrequests", "probes" },
    { "baseejectiontime", "ejection" },
    { "maxejectiontime", "max_ejection" },
    { "maxejectionpercent", "max_ejected" },
    { "outlierdetection", "outliers" },
    { "healthcheck", "health" },
    { "healthchecks", "health" },
    { "httppath", "path" },
    { "rise", "healthy_after" },
    { "fall", "unhealthy_after" },
    { "healthythreshold", "healthy_after" },
    { "unhealthythreshold", "unhealthy_after" },
    { "proxynextupstream", "retry" },
    { "retrypolicy", "retry" },
    { "retryon", "on" },
    { "statuses", "on" },
    { "numretries", "attempts" },
    { "retries", "attempts" },
    { "max", "attempts" },
    { "count", "attempts" },
    { "pertrytimeout", "try_timeout" },
    { "firstbackoff", "backoff" },
    { "hedgepolicy", "hedge" },
    { "delay", "after" },
    { "mirrors", "mirror" },
    { "requestmirrorpolicies", "mirror" },
    { "shadow", "mirror" },
    { "percentage", "percent" },
    { "canary", "split" },
    { "weightedclusters", "split" },
    { "gzip", "compress" },
    { "compression", "compress" },
    { "contenttypes", "types" },
    { "minlength", "min_size" },
    { "abort", "abort_percent" },
    { "abortpercentage", "abort_percent" },
    { "clientmaxbodysize", "body" },
    { "maxbodysize", "body" },
    { "maxrequestbytes", "body" },
    { "requestsize", "body" },
    { "proxyreadtimeout", "timeout" },
    { "readtimeout", "timeout" },
    { "requesttimeout", "timeout" },
    { "responsetimeout", "timeout" },
    { "proxyconnecttimeout", "connect_timeout" },
    { "ratelimit", "limits" },
    { "ratelimits", "limits" },
    { "requestratelimiter", "limits" },
    { "ip", "address" },
    { "remoteaddr", "addresses" },
    { "sourceip", "addresses" },
    { "regex", "pattern" },
    { "regexp", "pattern" },
    { "substitution", "replacement" },
    { "replacewith", "replacement" },
    { "url", "location" },
    { "url", "from" },
    { "csp", "content_security_policy" },
    { "hsts", "strict_transport_security" },
    { "keepalive", "max_idle" },
    { "keepaliveconnections", "max_idle" },
    { "lb", "balance" },
    { "loadbalancing", "balance" },
    { "sticky", "hash_by" },
    { "sessionaffinity", "hash_by" },
    { "sessionpersistence", "hash_by" },
    { "discovery", "discover" },
    { "dns", "discover" },
    { "srv", "discover" },
    { "consul", "discover" },
    { "kubernetes", "discover" },
    { "eureka", "discover" },
    { "bulkhead", "max_requests" },
    { "tokenrelay", "relay" },
    { "corspolicy", "cors" },
    { "requestmirror", "mirror" },
    { "mirrorpolicies", "mirror" },
    { "numretries", "retry" },
    { "faultinjection", "fault" },
    { "order", "priority" },
    { "securityheaders", "secure_headers" },
    { "url", "upstream" },
    { "rewrite", "rewrite_path" },
    { "regexrewrite", "rewrite_path" },
    { "prefixrewrite", "rewrite_path" },
    { "rewritetarget", "rewrite_path" },
    { "replacepath", "set_path" },
    { "removeprefix", "strip_prefix" },
    { "strippath", "strip_prefix" },
    { "addheader", "add_response_header" },
    { "setheader", "set_request_header" },
    { "proxysetheader", "set_request_header" },
    { "requestheaderstoadd", "add_request_header" },
    { "requestheaderstoremove", "remove_request_header" },
    { "responseheaderstoadd", "add_response_header" },
    { "responseheaderstoremove", "remove_response_header" },
    { "proxyhideheader", "remove_response_header" },
    { "hostrewrite", "set_host_header" },
    { "rewritehost", "set_host_header" },
    { "hostrewriteliteral", "set_host_header" },
    { "passhostheader", "preserve_host_header" },
    { "proxyredirect", "rewrite_location" },
    { "rewritelocationresponseheader", "rewrite_location" },
    { "redirect", "redirect_to" },
    { "cafile", "ca" },
    { "trustedca", "ca" },
    { "certfile", "cert" },
    { "keyfile", "key" },
    { "sni", "server_name" },
};

static bool is_mark(char c)
{
    return c == '-' || c == '_';
}

bool foreign_same_word(struct slice word, struct slice name)
{
    size_t at = 0;
    for (size_t i = 0; i < word.len; i++) {
        if (is_mark(word.ptr[i])) {
            continue;
        }
        while (at < name.len && is_mark(name.ptr[at])) {
            at++;
        }
        if (at == name.len || ascii_lower(word.ptr[i]) != ascii_lower(name.ptr[at])) {
            return false;
        }
        at++;
    }
    return at == name.len;
}

bool foreign_word_means(struct slice word, struct slice name)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (slice_equal(name, slice_from_string(words[i].name)) &&
            foreign_same_word(word, slice_from_string(words[i].word))) {
            return true;
        }
    }
    return false;
}
