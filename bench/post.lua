-- Each connection is another user: BENCH_FILE has a line "path<TAB>token<TAB>body" a request,
-- which are sent round robin. An empty body makes it a GET.
-- "{seq}" in a body becomes a number that rises with every request, from run to run too.
local lines = {}
for line in io.lines(os.getenv("BENCH_FILE")) do
    local path, token, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
    local headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
    if token == "" then headers["Authorization"] = nil end
    lines[#lines + 1] = { path = path, headers = headers, body = body }
end
local requests, n = {}, 0
local method = os.getenv("BENCH_METHOD") or "POST"
local seq = os.time() * 1000000

function init()
    for i, l in ipairs(lines) do
        if l.body == "" then
            requests[i] = wrk.format("GET", l.path, l.headers)
        elseif not l.body:find("{seq}", 1, true) then
            requests[i] = wrk.format(method, l.path, l.headers, l.body)
        end
    end
end

function request()
    n = n % #lines + 1
    if requests[n] then return requests[n] end
    seq = seq + 1
    return wrk.format(method, lines[n].path, lines[n].headers, (lines[n].body:gsub("{seq}", string.format("%.0f", seq))))
end
