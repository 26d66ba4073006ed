-- The script that bench/load.py passes to wrk: `-- FILE [HEADER VALUE]...`. FILE has one path per line. Prints JSON.
-- A `*` in a header's value becomes two bytes of an IPv4 address, which differ for each line.
local requests = {}
local at = 0

function init(args)
  local headers = {}
  for i = 2, #args, 2 do headers[args[i]] = args[i + 1] end
  for path in io.lines(args[1]) do
    local line, filled = #requests + 1, {}
    local bytes = math.floor(line / 250) % 250 .. "." .. line % 250
    for name, value in pairs(headers) do filled[name] = value:gsub("%*", bytes) end
    requests[line] = wrk.format("GET", path, filled)
  end
  math.randomseed(os.time() + tonumber(tostring({}):match("0x(%x+)"), 16) % 1000)
  at = math.random(#requests)
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    'SUMMARY {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %f, "p99": %f, "bad_status": %d, "broken": %d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
