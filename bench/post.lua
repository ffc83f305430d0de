-- Each connection is another user: BENCH_FILE has a line "path<TAB>token<TAB>body" a request,
-- which are sent round robin. An empty body makes it a GET.
-- "{seq}" in a body becomes a number that rises with every request, from run to run too.
-- Requests are built beforehand, since the generator shares the machine with what it measures.
local method = os.getenv("BENCH_METHOD") or "POST"
local seq = os.time() * 1000000
local mark = string.format("%.0f", seq) -- as long as the numbers that take its place
local before, after, n = {}, {}, 0

function init()
    for line in io.lines(os.getenv("BENCH_FILE")) do
        local path, token, body = line:match("^([^\t]*)\t([^\t]*)\t(.*)$")
        local headers = { ["Authorization"] = "Bearer " .. token, ["Content-Type"] = "application/json" }
        if token == "" then headers["Authorization"] = nil end
        local place = body:find("{seq}", 1, true)
        local text
        if body == "" then
            text = wrk.format("GET", path, headers)
        else
            text = wrk.format(method, path, headers, (body:gsub("{seq}", mark, 1)))
        end
        -- the body stands at the end of the request
        local cut = place and #text - (#body - #"{seq}" + #mark) + place or #text + 1
        before[#before + 1] = text:sub(1, cut - 1)
        after[#before] = place and text:sub(cut + #mark) or false
    end
end

function request()
    n = n % #before + 1
    if not after[n] then return before[n] end
    seq = seq + 1
    return before[n] .. string.format("%.0f", seq) .. after[n]
end
