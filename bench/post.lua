-- Each connection is another user: BENCH_FILE has a line "path<TAB>token<TAB>body" a request,
-- which are sent round robin. An empty body makes it a GET.
local lines = {}
for line in io.lines(os.getenv("BENCH_FILE")) do
    local path, token, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
    if token == "" then headers["Authorization"] = nil end
    lines[#lines + 1] = { path = path, headers = headers, body = body }
end
local requests, n = {}, 0

function init()
    for i, l in ipairs(lines) do
        if l.body == "" then
            requests[i] = wrk.format("GET", l.path, l.headers)
        else
            requests[i] = wrk.format(os.getenv("BENCH_METHOD") or "POST", l.path, l.headers, l.body)
        end
    end
end

function request()
    n = n % #requests + 1
    return requests[n]
end
