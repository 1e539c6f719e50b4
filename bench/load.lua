-- For wrk; prints the outcome as one line of JSON. By the environment, each request carries
--   TOKENS  the next token of that file
--   PATHS   the next of so many paths /r/N/42
--   KEYS    the next of so many values of X-Key, in no order that a cache could like
-- and each connection waits PACE milliseconds before it asks again.
local prepared = {}
local next_one = 0

local function headers(more)
    local all = { ["Host"] = wrk.headers["Host"] or "127.0.0.1" }
    for name, value in pairs(more) do
        all[name] = value
    end
    return all
end

local function prepare()
    local tokens, paths = os.getenv("TOKENS"), os.getenv("PATHS")
    if tokens then
        for line in io.lines(tokens) do
            prepared[#prepared + 1] = wrk.format("GET", nil, headers { ["Authorization"] = "Bearer " .. line })
        end
    elseif paths then
        for number = 0, tonumber(paths) - 1 do
            prepared[#prepared + 1] = wrk.format("GET", "/r/" .. number .. "/42", headers {})
        end
    end
end

function init(arguments)
    prepare()
    local keys = tonumber(os.getenv("KEYS") or "0")
    if #prepared > 0 then
        request = function()
            next_one = next_one % #prepared + 1
            return prepared[next_one]
        end
    elseif keys > 0 then
        local begins = wrk.format("GET", nil, headers { ["X-Key"] = "@" })
        local before, after = begins:match("^(.*)@(.*)$")
        next_one = tonumber(os.getenv("KEYS_FROM") or "0")
        request = function()
            next_one = (next_one + 611953) % keys
            return before .. next_one .. after
        end
    end
end

function done(summary, latency, requests)
    local bad = summary.errors
    io.write(string.format(
        'RESULT {"requests":%d,"duration_us":%d,"bytes":%d,"failed":%d,"refused":%d,"p50_us":%d,"p99_us":%d}\n',
        summary.requests, summary.duration, summary.bytes, bad.connect + bad.read + bad.write + bad.timeout, bad.status,
        latency:percentile(50), latency:percentile(99)))
end

local pace = tonumber(os.getenv("PACE") or "0")
if pace > 0 then
    function delay()
        return pace
    end
end
