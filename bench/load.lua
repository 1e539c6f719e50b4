-- For wrk: with TOKENS set, each request carries the next token of that file; prints the outcome as one line of JSON.
local tokens = {}
local next_token = 0

function init(arguments)
    local path = os.getenv("TOKENS")
    if path then
        for line in io.lines(path) do
            tokens[#tokens + 1] = wrk.format("GET", nil, { ["Host"] = wrk.headers["Host"] or "127.0.0.1", ["Authorization"] = "Bearer " .. line })
        end
        request = function()
            next_token = next_token % #tokens + 1
            return tokens[next_token]
        end
    end
end

function done(summary, latency, requests)
    local bad = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"duration_us":%d,"failed":%d,"refused":%d,"p50_us":%d,"p99_us":%d}\n',
        summary.requests, summary.duration, bad.connect + bad.read + bad.write + bad.timeout, bad.status,
        latency:percentile(50), latency:percentile(99)))
end
