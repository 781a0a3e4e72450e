-- The atomic steps of the conversation log inside Redis: each function below looks up facts, decides, and stores, as one step.
-- The decisions are those of `log-decisions.ts`, in Lua because only here are they atomic; the contract suite compares the two.
-- `redis-library.ts` puts a header before this text that names the library and sets NAME, FORMAT and LIMITS.
--
-- Every function refuses before it writes anything, because Redis takes nothing back when a function fails half-way.
-- Loops are bounded by LIMITS. Time comes in as an argument, but for the place of a turn and, unless a caller brings a clock of
-- its own, for leases: those are told by Redis' own clock, the only one that all processes share.
--
-- Keys of a partition, all in one slot:
--   meta                   hash: n (grows with every change), settled (the n up to which all replicas have it), and the ledger
--   meta:s:<session>       hash: the session; m:<message> = its seq, d:<device> = last number, t:<turn> = the turn or "ended"
--   meta:l:<session>       stream: the entries, at <seq>-0
--   meta:ready             sorted set: <session>:<turn> for the oldest open turn of a session that nobody holds, by its place
--   meta:untold            sorted set: <session>:<turn> for open turns that nobody holds and that were given no other help, by place
--   meta:leased            sorted set: <session>:<turn> for open turns that somebody holds, by the end of the lease
--   meta:expiry            sorted set: <born>:<session> by the end of the session
--   meta:processes         hash: the processes that work on this log, each as "<end of its lease> <what it says of itself>" (in one partition)
--   meta:v:<visitor>       sorted set: the visitor's sessions, by their place (in the visitor's partition, not in theirs)
--   meta:bell              channel: "<process> <what> <session>"

-- Redis has no `call` yet while the library is loaded.
local function call(...)
  return redis.call(...)
end

local function fail(code, text)
  error({ err = code .. ' ' .. text })
end

-- Numbers as JavaScript reads them back: Lua's own way loses digits.
local function exact(number)
  return string.format('%.17g', number)
end

-- Microseconds since the epoch.
local function timeUs()
  local time = call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function leaseNow(given)
  if given == '' then return timeUs() / 1000 end
  return tonumber(given)
end

-- Sessions -------------------------------------------------------------------------------------------------------------------

local SESSION = {
  'format', 'visitor', 'log', 'created', 'expires', 'ttl', 'questions', 'fence', 'born',
  'seq', 'head', 'open', 'n', 'settled', 'mark', 'marked',
}

-- The session with the given further fields, or nil. Numbers that are only passed on stay text.
local function load(key, now, ...)
  local names = { unpack(SESSION) }
  for _, name in ipairs({ ... }) do names[#names + 1] = name end
  local values = call('HMGET', key, unpack(names))
  if not values[1] then return nil end
  if values[1] ~= FORMAT then fail('LOGNEWER', 'a session was written by another release') end
  local session = {}
  for index, name in ipairs(names) do session[name] = values[index] end
  for _, name in ipairs({ 'questions', 'fence', 'seq', 'n', 'settled', 'mark', 'marked' }) do session[name] = tonumber(session[name]) end
  session.isLive = tonumber(session.expires) > tonumber(now)
  return session
end

local function live(key, now, ...)
  local session = load(key, now, ...)
  if session and session.isLive then return session end
  return nil
end

-- Open turns: their ids, oldest first, with commas between.
local function oldest(open) return string.match(open, '^[^,]+') end

local function idsIn(open)
  local ids = {}
  for id in string.gmatch(open, '[^,]+') do ids[#ids + 1] = id end
  return ids
end

local function without(open, id)
  local left = {}
  for _, each in ipairs(idsIn(open)) do
    if each ~= id then left[#left + 1] = each end
  end
  return table.concat(left, ',')
end

-- A member of the queues.
local function memberOf(session, turnId) return session .. ':' .. turnId end

local function partsOf(member)
  return string.match(member, '^(.*):(.*)$')
end

-- Turns ----------------------------------------------------------------------------------------------------------------------

local TURN = {
  'message', 'askedAt', 'place', 'attempt', 'parts', 'chars', 'superseded', 'stopping', 'told', 'fence', 'round', 'holder', 'untilMs',
}

local function parseTurn(text)
  local turn, index = {}, 0
  for word in string.gmatch(text, '%S+') do
    index = index + 1
    turn[TURN[index]] = word
  end
  if index ~= #TURN then fail('LOGCORRUPT', 'a turn is written in no known form') end
  for _, name in ipairs({ 'place', 'attempt', 'parts', 'chars', 'fence', 'round', 'untilMs' }) do turn[name] = tonumber(turn[name]) end
  return turn
end

local function formatTurn(turn)
  local words = {}
  for index, name in ipairs(TURN) do
    local value = turn[name]
    words[index] = type(value) == 'number' and exact(value) or value
  end
  return table.concat(words, ' ')
end

-- The open turn in a field of its session, or nil.
local function openTurn(text)
  if not text or text == 'ended' then return nil end
  return parseTurn(text)
end

local function turnOf(key, id)
  local turn = openTurn(call('HGET', key, 't:' .. id))
  if not turn then fail('LOGCORRUPT', 'a session lists a turn that is not open') end
  return turn
end

-- Whether `process` holds the turn under `fence`; a lease that ran out is still its owner's until somebody else claims the turn.
local function holds(turn, fence, process)
  return turn and turn.fence == tonumber(fence) and turn.holder == process
end

-- Puts an open turn into the queues that it belongs to now, and into no others.
local function enqueue(queues, member, turn, isOldest)
  if turn.holder ~= '-' then
    call('ZREM', queues.ready, member)
    call('ZREM', queues.untold, member)
    call('ZADD', queues.leased, exact(turn.untilMs), member)
    return
  end
  call('ZREM', queues.leased, member)
  if isOldest then call('ZADD', queues.ready, exact(turn.place), member) end
  if turn.told == '0' then call('ZADD', queues.untold, exact(turn.place), member) end
end

local function dequeue(queues, member)
  call('ZREM', queues.ready, member)
  call('ZREM', queues.untold, member)
  call('ZREM', queues.leased, member)
end

-- The queues in the keys of a function of one session.
local function queuesIn(keys)
  return { ready = keys[4], untold = keys[5], leased = keys[6] }
end

-- A turn is over: the next one of its session may be claimed. Gives what is open then.
local function finish(keys, id, session, turnId, ending)
  local queues = queuesIn(keys)
  local open = without(session.open, turnId)
  local next = oldest(open)
  dequeue(queues, memberOf(id, turnId))
  if next and oldest(session.open) == turnId then enqueue(queues, memberOf(id, next), turnOf(keys[1], next), true) end
  call('HINCRBY', keys[3], ending, 1)
  return open
end

-- Appending ------------------------------------------------------------------------------------------------------------------

-- Counts a change of the partition; gives the count.
local function count(keys)
  return call('HINCRBY', keys[3], 'n', 1)
end

-- Appends entries after the head, without a gap, and gives the fields of the session that change with them.
--
-- `mark` is a place in the log on its way to be settled: one at a time is followed, so that the settled part grows while
-- appending never pauses.
local function append(keys, session, entries, at)
  local before = session.seq
  if call('XLEN', keys[2]) ~= before then fail('LOGCORRUPT', 'a stream does not hold the entries that its session counts') end
  for _, entry in ipairs(entries) do
    session.seq = session.seq + 1
    call('XADD', keys[2], string.format('%.0f-0', session.seq), 'id', entry.id, 'at', at, 'body', entry.body)
    session.head = entry.id
  end
  local settled = tonumber(call('HGET', keys[3], 'settled') or '0')
  if session.n <= settled then
    session.settled = before
  elseif session.marked <= settled then
    session.settled = math.max(session.settled, session.mark)
  end
  local isPassed = session.marked <= settled
  session.n = count(keys)
  if isPassed then
    session.mark = session.seq
    session.marked = session.n
  end
  return {
    'seq', session.seq, 'head', session.head, 'n', session.n,
    'settled', session.settled, 'mark', session.mark, 'marked', session.marked,
  }
end

local function store(key, fields, ...)
  for _, value in ipairs({ ... }) do fields[#fields + 1] = value end
  call('HSET', key, unpack(fields))
end

-- What: "append", "work" (and a turn that may be claimed), "again" (and one that is older than others that wait).
local function ring(keys, args, what)
  call('SPUBLISH', keys[3] .. ':bell', args[1] .. ' ' .. what .. ' ' .. args[2])
end

-- How many questions of a session wait: open turns whose question is in the stream. Those in attempt 0 are told to `unstarted`.
local function waitingIn(key, stream, open, unstarted)
  local waiting = 0
  for _, id in ipairs(idsIn(open)) do
    local turn = openTurn(call('HGET', key, 't:' .. id))
    local seq = turn and call('HGET', key, 'm:' .. turn.message)
    if seq and #call('XRANGE', stream, seq .. '-0', seq .. '-0') == 1 then
      waiting = waiting + 1
      if unstarted and turn.attempt == 0 then unstarted(turn) end
    end
  end
  return waiting
end

-- Takes a session out with everything in it; what waits in it ends as `ending`.
local function erase(keys, id, session, ending)
  local waiting = waitingIn(keys[1], keys[2], session.open)
  if waiting > 0 then call('HINCRBY', keys[3], ending, waiting) end
  for _, turnId in ipairs(idsIn(session.open)) do dequeue(queuesIn(keys), memberOf(id, turnId)) end
  call('ZREM', keys[7], session.born .. ':' .. id)
  call('UNLINK', keys[1], keys[2])
end

local function define(name, callback, flags)
  redis.register_function({ function_name = NAME .. '_' .. name, callback = callback, flags = flags or {} })
end

-- Functions of one session: keys are its hash, its stream, and meta, ready, untold, leased, expiry of its partition.
-- The first arguments are always the process, the session and the time.

-- process, session, now, visitor, log, ttl
define('create', function(keys, args)
  local id, now, visitor = args[2], args[3], args[4]
  local session = load(keys[1], now)
  if session and session.isLive then
    if session.visitor ~= visitor then return { 'taken' } end
    return { 'existing', session.log, session.created, session.expires, session.questions, session.n }
  end
  -- Whatever expired under this id is gone.
  if session then erase(keys, id, session, 'expired') end
  local born = string.format('%016.0f', timeUs())
  local expires = exact(tonumber(now) + tonumber(args[6]))
  local n = count(keys)
  call('HSET', keys[1], 'format', FORMAT, 'visitor', visitor, 'log', args[5], 'created', now, 'expires', expires, 'ttl', args[6],
    'questions', 0, 'fence', 0, 'born', born, 'seq', 0, 'head', '', 'open', '', 'n', n, 'settled', 0, 'mark', 0, 'marked', 0)
  call('ZADD', keys[7], expires, born .. ':' .. id)
  return { 'created', args[5], now, expires, 0, n }
end)

-- process, session, now, "delete" or "expire", and for the latter what the expiry has it under
define('erase', function(keys, args)
  local id, isSweep = args[2], args[4] == 'expire'
  local session = load(keys[1], args[3])
  if not session then
    if isSweep then call('ZREM', keys[7], args[5]) end
    return { 0, '', 0 }
  end
  if isSweep and session.isLive then return { 0, '', 0 } end
  erase(keys, id, session, session.isLive and 'cancelled' or 'expired')
  ring(keys, args, 'again')
  return { (isSweep or session.isLive) and 1 or 0, session.visitor, count(keys) }
end, { 'allow-oom' })

-- The session's end after something was done in it at `now`: the later of the two, because a clock that was set back must not
-- shorten a session's life.
local function laterEnd(session, now)
  return exact(math.max(tonumber(session.expires), tonumber(now) + tonumber(session.ttl)))
end

-- process, session, now
define('keep', function(keys, args)
  local session = live(keys[1], args[3])
  if not session then return { 'gone' } end
  local expires = laterEnd(session, args[3])
  call('HSET', keys[1], 'expires', expires)
  call('ZADD', keys[7], expires, session.born .. ':' .. args[2])
  return { 'kept', session.visitor, session.log, session.created, expires, session.questions }
end)

-- process, session, now, message, turn, entry, device, number or "", body before and after its number
define('ask', function(keys, args)
  local id, now, message, device = args[2], args[3], 'm:' .. args[4], 'd:' .. args[7]
  local session = live(keys[1], now, message, device)
  if not session then return { 'gone' } end
  local earlier = session[message]
  if earlier then
    local found = call('XRANGE', keys[2], earlier .. '-0', earlier .. '-0')[1]
    if not found then fail('LOGCORRUPT', 'a question that was accepted is not in its stream') end
    return { 'earlier', session.log, earlier, found[2][2], found[2][4], found[2][6], session.n }
  end
  local expected = (tonumber(session[device] or '0')) + 1
  if args[8] == '' then
    if args[7] ~= 'server' then return { 'unnumbered', expected } end
  elseif tonumber(args[8]) ~= expected then
    return { 'order', expected }
  end
  if #idsIn(session.open) >= LIMITS.openTurns or session.seq >= LIMITS.entries then return { 'overload' } end

  local number = string.format('%.0f', expected)
  local fields = append(keys, session, { { id = args[6], body = args[9] .. number .. args[10] } }, now)
  local turn = {
    message = args[4], askedAt = now, place = timeUs(), attempt = 0, parts = 0, chars = 0, superseded = '0', stopping = '0',
    told = '0', fence = 0, round = 0, holder = '-', untilMs = 0,
  }
  local isOldest = session.open == ''
  local expires = laterEnd(session, now)
  store(keys[1], fields, 'questions', session.questions + 1, 'expires', expires, message, session.seq, device, number,
    't:' .. args[5], formatTurn(turn), 'open', isOldest and args[5] or (session.open .. ',' .. args[5]))
  call('ZADD', keys[7], expires, session.born .. ':' .. id)
  call('HINCRBY', keys[3], 'accepted', 1)
  enqueue(queuesIn(keys), memberOf(id, args[5]), turn, isOldest)
  ring(keys, args, 'work')
  return { 'accepted', session.log, session.seq, number, session.visitor, session.n }
end)

-- process, session, now, turn, time of leases or "", entry and body of the wish, entry of the end, its body before and after its attempt.
-- Twin of `decideStop` in `log-decisions.ts`.
define('stop', function(keys, args)
  local id, turnId = args[2], args[4]
  local field = 't:' .. turnId
  local session = live(keys[1], args[3], field)
  if not session or not session[field] then return { 'gone' } end
  local turn = openTurn(session[field])
  if not turn or turn.stopping == '1' then return { 'already' } end
  local wish = { id = args[6], body = args[7] }
  local isHeld = turn.holder ~= '-' and turn.untilMs > leaseNow(args[5])
  if isHeld or turn.chars > 0 then
    local fields = append(keys, session, { wish }, args[3])
    turn.stopping = '1'
    store(keys[1], fields, field, formatTurn(turn))
    ring(keys, args, 'work')
    return { 'requested', session.n }
  end
  local ending = { id = args[8], body = args[9] .. string.format('%.0f', turn.attempt) .. args[10] }
  local fields = append(keys, session, { wish, ending }, args[3])
  local open = finish(keys, id, session, turnId, turn.attempt > 0 and 'stopped' or 'cancelled')
  store(keys[1], fields, field, 'ended', 'open', open)
  ring(keys, args, 'again')
  return { 'stopped', turn.askedAt, session.n }
end)

-- Makes the turn what it is after a body; false when the body would break the log's rules. Twin of `decideWrite`. What a body counts
-- by is the fence of a start, the place of a part, the parts of an end, and the question of a notice.
local function afterBody(turn, kind, attempt, countsBy, chars)
  if kind == 'notice' then
    if countsBy ~= turn.message or turn.told == '1' then return false end
    turn.told = '1'
    return true
  end
  local index = tonumber(countsBy)
  if turn.isEnded or kind == 'foreign' then return false end
  if kind == 'turn-started' then
    if attempt ~= turn.attempt + 1 or index ~= turn.fence or (turn.chars > 0 and turn.superseded == '0') then return false end
    turn.attempt, turn.parts, turn.chars, turn.superseded = attempt, 0, 0, '0'
  elseif kind == 'answer-part' then
    if attempt ~= turn.attempt or attempt == 0 or turn.superseded == '1' then return false end
    if index ~= turn.parts or chars == 0 or chars > LIMITS.partChars then return false end
    turn.parts, turn.chars = turn.parts + 1, turn.chars + chars
  elseif kind == 'turn-superseded' then
    if attempt ~= turn.attempt or turn.chars == 0 or turn.superseded == '1' then return false end
    turn.superseded = '1'
  elseif kind == 'turn-ended' then
    if attempt ~= turn.attempt or index ~= turn.parts or chars ~= turn.chars then return false end
    turn.isEnded = true
  else
    return false
  end
  return true
end

-- process, session, now, turn, fence, round, what the question comes to if the turn ends, then six of each body:
-- kind, attempt, what it counts by, length, entry, text
define('write', function(keys, args)
  local id, turnId = args[2], args[4]
  local field = 't:' .. turnId
  local session = live(keys[1], args[3], field)
  local turn = session and openTurn(session[field])
  -- Another round: this write was given up, and may no longer happen.
  if not holds(turn, args[5], args[1]) or turn.round ~= tonumber(args[6]) then return { 'fenced' } end
  local entries, isRight = {}, (#args - 7) / 6 <= LIMITS.bodies
  local after = parseTurn(session[field])
  for at = 8, #args, 6 do
    isRight = isRight and afterBody(after, args[at], tonumber(args[at + 1]), args[at + 2], tonumber(args[at + 3]))
    entries[#entries + 1] = { id = args[at + 4], body = args[at + 5] }
  end
  if not isRight then return { 'refused', session[field] } end
  if #entries == 0 then return { 'written', session.seq, session.head, session.n } end

  local fields = append(keys, session, entries, args[3])
  if after.isEnded then
    store(keys[1], fields, field, 'ended', 'open', finish(keys, id, session, turnId, args[7]))
    ring(keys, args, 'again')
  else
    store(keys[1], fields, field, formatTurn(after))
    if after.told == '1' then call('ZREM', keys[5], memberOf(id, turnId)) end
    ring(keys, args, 'append')
  end
  return { 'written', session.seq, session.head, session.n }
end)

-- process, session, now, turn, fence, time of leases or "", lease
define('renew', function(keys, args)
  local field = 't:' .. args[4]
  local session = live(keys[1], args[3], field)
  local turn = session and openTurn(session[field])
  if not holds(turn, args[5], args[1]) then return 0 end
  turn.untilMs = leaseNow(args[6]) + tonumber(args[7])
  call('HSET', keys[1], field, formatTurn(turn))
  enqueue(queuesIn(keys), memberOf(args[2], args[4]), turn)
  return 1
end)

-- process, session, now, turn, fence
define('release', function(keys, args)
  local field = 't:' .. args[4]
  local session = live(keys[1], args[3], field)
  local turn = session and openTurn(session[field])
  if not holds(turn, args[5], args[1]) then return 0 end
  turn.holder = '-'
  call('HSET', keys[1], field, formatTurn(turn))
  enqueue(queuesIn(keys), memberOf(args[2], args[4]), turn, oldest(session.open) == args[4])
  ring(keys, args, 'again')
  return 1
end, { 'allow-oom' })

-- process, session, now, turn, fence, round: whatever was written in an earlier round and has not happened yet, never will.
define('round', function(keys, args)
  local field = 't:' .. args[4]
  local turn = openTurn(call('HGET', keys[1], field))
  if not holds(turn, args[5], args[1]) or turn.round >= tonumber(args[6]) then return 0 end
  turn.round = tonumber(args[6])
  call('HSET', keys[1], field, formatTurn(turn))
  return 1
end, { 'allow-oom' })

-- process, session, now, the cursor's seq, id and log or "" for none, limit
define('read', function(keys, args)
  local session = live(keys[1], args[3])
  if not session then return { 'gone' } end
  local settled = tonumber(call('HGET', keys[3], 'settled') or '0')
  if session.n <= settled then
    settled = session.seq
  elseif session.marked <= settled then
    settled = math.max(session.settled, session.mark)
  else
    settled = session.settled
  end
  local from = 0
  if args[4] ~= '' then
    from = tonumber(args[4])
    local isOn = args[6] == session.log and from >= 1 and from <= session.seq and from % 1 == 0
    local at = isOn and call('XRANGE', keys[2], string.format('%.0f-0', from), string.format('%.0f-0', from))[1]
    if not at or at[2][2] ~= args[5] then return { 'fork', session.log, session.seq, session.head, settled, session.n } end
  end
  local entries = call('XRANGE', keys[2], string.format('%.0f-0', from + 1), '+', 'COUNT', args[7])
  return { 'entries', session.log, session.seq, session.head, settled, session.n, entries }
end, { 'no-writes' })

-- Functions of a partition: keys are meta, ready, untold, leased. -------------------------------------------------------------------

-- A turn that cannot be claimed though it is listed: its session's time is over, or it is not here. It is looked at again later,
-- because a clock that was set back brings an expired session back.
local function postpone(queues, member, now)
  dequeue(queues, member)
  call('ZADD', queues.leased, exact(now + LIMITS.postponeMs), member)
end

-- Turns whose lease has run out can be claimed again, a bounded number at a time. A lease that ends later than two new ones would
-- was given by a clock that has gone back since.
local function expireLeases(meta, queues, now, lease)
  local over = call('ZRANGE', queues.leased, '-inf', exact(now), 'BYSCORE', 'LIMIT', 0, LIMITS.look)
  local latest = '(' .. exact(now + math.max(LIMITS.leasesAhead * lease, LIMITS.postponeMs))
  for _, member in ipairs(call('ZRANGE', queues.leased, latest, '+inf', 'BYSCORE', 'LIMIT', 0, LIMITS.look)) do over[#over + 1] = member end
  for _, member in ipairs(over) do
    local id, turnId = partsOf(member)
    local key = meta .. ':s:' .. id
    local facts = call('HMGET', key, 'open', 't:' .. turnId)
    local turn = openTurn(facts[2])
    if turn then
      -- Free, though its owner may still renew: only a claim takes it away.
      turn.holder = '-'
      enqueue(queues, member, turn, oldest(facts[1]) == turnId)
    elseif facts[1] then
      dequeue(queues, member)
    else
      postpone(queues, member, now)
    end
  end
end

-- process, now, time of leases or "", lease, how many to claim, how many places to show, "ready" or "untold".
-- Gives the claims, the places that wait then (oldest first), and in how many ms the next lease runs out, or "".
define('claim', function(keys, args)
  local queues = { ready = keys[2], untold = keys[3], leased = keys[4] }
  local queue = queues[args[7]]
  local now = leaseNow(args[3])
  expireLeases(keys[1], queues, now, tonumber(args[4]))
  local claims, limit = {}, tonumber(args[5])
  if limit > 0 then
    for _, member in ipairs(call('ZRANGE', queue, 0, limit + LIMITS.look - 1)) do
      if #claims == limit then break end
      local id, turnId = partsOf(member)
      local key = keys[1] .. ':s:' .. id
      local session = live(key, args[2], 't:' .. turnId)
      local turn = session and openTurn(session['t:' .. turnId])
      local isIn = turn and (args[7] == 'untold' and turn.told == '0' or args[7] == 'ready' and oldest(session.open) == turnId)
      if isIn then
        turn.fence, turn.round, turn.holder, turn.untilMs = session.fence + 1, 0, args[1], now + tonumber(args[4])
        call('HSET', key, 'fence', turn.fence, 't:' .. turnId, formatTurn(turn))
        enqueue(queues, member, turn)
        claims[#claims + 1] = { id, session.visitor, turnId, turn.fence, turn.askedAt, exact(turn.place) }
      elseif session then
        -- An owner whose lease had run out went on, as it may as long as nobody has claimed its turn.
        call('ZREM', queue, member)
      else
        postpone(queues, member, now)
      end
    end
  end
  local waiting = call('ZRANGE', queue, 0, tonumber(args[6]) - 1, 'WITHSCORES')
  local places = {}
  for index = 2, #waiting, 2 do places[#places + 1] = waiting[index] end
  local next = call('ZRANGE', queues.leased, 0, 0, 'WITHSCORES')
  return { claims, places, next[2] and exact(math.max(0, tonumber(next[2]) - now)) or '' }
end)

-- now; a fifth key is the expiry. Gives the ledger, what waits, and what is missing: of this partition, at one moment.
define('tally', function(keys, args)
  local now = tonumber(args[1])
  if call('ZCARD', keys[2]) + call('ZCARD', keys[4]) > LIMITS.tallySessions then
    fail('LOGBUSY', 'more questions wait than can be counted in one step')
  end
  -- The oldest open turn of a session is free or held.
  local sessions = {}
  for _, queue in ipairs({ keys[2], keys[4] }) do
    for _, member in ipairs(call('ZRANGE', queue, 0, -1)) do sessions[partsOf(member)] = true end
  end
  local waiting, unstarted, first = 0, 0, nil
  for id in pairs(sessions) do
    local key = keys[1] .. ':s:' .. id
    local facts = call('HMGET', key, 'open', 'expires')
    if facts[1] then
      local isLive = tonumber(facts[2]) > now
      waiting = waiting + waitingIn(key, keys[1] .. ':l:' .. id, facts[1], isLive and function(turn)
        unstarted = unstarted + 1
        if not first or tonumber(turn.askedAt) < tonumber(first) then first = turn.askedAt end
      end)
    end
  end
  local names = { 'accepted', 'answered', 'stopped', 'failed', 'interrupted', 'expired', 'cancelled', 'lost' }
  local counts = call('HMGET', keys[1], unpack(names))
  for index = 1, #names do counts[index] = tonumber(counts[index] or '0') end
  local missing = counts[1] - waiting
  for index = 2, 7 do missing = missing - counts[index] end
  local found = math.max(0, missing - counts[8])
  if found > 0 then call('HSET', keys[1], 'lost', counts[8] + found, 'lostAt', args[1]) end
  counts[8] = counts[8] + found
  return { counts, waiting, unstarted, first or '', call('ZCOUNT', keys[5], '(' .. args[1], '+inf'), call('HGET', keys[1], 'lostAt') or '', found }
end)

-- n: everything counted up to here is on every replica that may be promoted. The mark only grows.
define('settle', function(keys, args)
  if tonumber(call('HGET', keys[1], 'settled') or '0') >= tonumber(args[1]) then return 0 end
  call('HSET', keys[1], 'settled', args[1])
  return 1
end)

-- id, lease in ms or 0 to leave, what it says of itself: the others, each as its id and what it says. The key goes with the last lease.
define('announce', function(keys, args)
  local now, lease = timeUs() / 1000, tonumber(args[2])
  local all = call('HGETALL', keys[1])
  local others, count = {}, 0
  for index = 1, #all, 2 do
    local ends, about = string.match(all[index + 1], '^(%S+) (.*)$')
    if tonumber(ends) <= now then
      call('HDEL', keys[1], all[index])
    elseif all[index] ~= args[1] then
      count = count + 1
      others[#others + 1] = all[index]
      others[#others + 1] = about
    end
  end
  if lease == 0 then
    call('HDEL', keys[1], args[1])
  elseif count < LIMITS.processes then
    call('HSET', keys[1], args[1], exact(now + lease) .. ' ' .. args[3])
    if call('PTTL', keys[1]) < lease then call('PEXPIRE', keys[1], lease) end
  end
  return others
end)

-- Functions of a visitor: the key is the sorted set of their sessions. ----------------------------------------------------------

-- session, how many there may be
define('enlist', function(keys, args)
  if call('ZSCORE', keys[1], args[1]) then return 'known' end
  if call('ZCARD', keys[1]) >= tonumber(args[2]) then return 'full' end
  call('ZADD', keys[1], exact(timeUs()), args[1])
  return 'added'
end)

-- session: the newest of all
define('renewest', function(keys, args)
  return call('ZADD', keys[1], exact(timeUs()), args[1])
end)
